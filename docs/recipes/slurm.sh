#!/bin/bash
# An array of workers on a cluster; each works until nothing is left. See docs/machines.md.
#   sbatch --array=1-4 docs/recipes/slurm.sh
# Key and database stand in ~/.config/batchgen/worker.env (mode 0600) on the shared file system, and so does the manifest's output.dir.
#SBATCH --job-name=batchgen
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=12:00:00
# The batch script alone (B:) hears SIGTERM this long before its time ends: an order may wait 180 s for its answer (limits.timeout.submit).
#SBATCH --signal=B:TERM@300
# A node that fails gives its task to another one. The words of both lives stand in one file.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=batchgen-%A_%a.out
# Nothing else of the submitting shell comes along, a key least of all.
#SBATCH --export=HOME,PATH
set -euo pipefail
umask 077

# exec, so that batchgen itself is the process that Slurm signals and whose exit code it keeps. Each worker has a diary of its own.
exec batchgen --env-file "$HOME/.config/batchgen/worker.env" \
  --log-file "batchgen-${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}.log" \
  work --drain
