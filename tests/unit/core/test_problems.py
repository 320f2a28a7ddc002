"""Located problems."""

from batchgen.core.problems import Problem


def test_a_located_problem_reads_like_a_compilers() -> None:
    """Path, line, column, severity, code, message and hint stand on one line."""
    problem = Problem(
        code="E104", message="unknown key 'quallity'", path="manifests/poster.yaml", line=27, column=9, hint="did you mean 'quality'?"
    )

    assert "manifests/poster.yaml:27:9: error[E104]: unknown key 'quallity'; did you mean 'quality'?" == str(problem)


def test_a_problem_of_the_whole_file_names_no_line() -> None:
    """Line 0 means the file as a whole; without a hint the message ends the line."""
    problem = Problem(code="W201", message="the file is empty", path="a.yaml", severity="warning")

    assert "a.yaml: warning[W201]: the file is empty" == str(problem)
