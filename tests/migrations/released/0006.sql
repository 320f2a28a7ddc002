PRAGMA application_id = 1650945585;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0006');
CREATE TABLE archive (
	batch_id INTEGER NOT NULL, 
	path TEXT NOT NULL, 
	db_uuid TEXT NOT NULL, 
	jobs BIGINT NOT NULL, 
	orders BIGINT NOT NULL, 
	spent_micros BIGINT NOT NULL, 
	held_micros BIGINT NOT NULL, 
	unit TEXT NOT NULL, 
	last_job BIGINT NOT NULL, 
	last_event BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	archived_at VARCHAR(27) NOT NULL, 
	removed_at VARCHAR(27), 
	CONSTRAINT pk_archive PRIMARY KEY (batch_id), 
	CONSTRAINT fk_archive_batch_id FOREIGN KEY(batch_id) REFERENCES batch (id)
);
CREATE TABLE artifact (
	id INTEGER NOT NULL, 
	batch_id INTEGER NOT NULL, 
	job_id INTEGER NOT NULL, 
	attempt_id INTEGER NOT NULL, 
	idx INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	output_dir TEXT NOT NULL, 
	path TEXT NOT NULL, 
	path_key TEXT NOT NULL, 
	"temp" TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	media_type TEXT NOT NULL, 
	created_at VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_artifact PRIMARY KEY (id), 
	CONSTRAINT fk_artifact_attempt_id FOREIGN KEY(attempt_id) REFERENCES attempt (id), 
	CONSTRAINT fk_artifact_batch_id FOREIGN KEY(batch_id) REFERENCES batch (id), 
	CONSTRAINT fk_artifact_job_id FOREIGN KEY(job_id) REFERENCES job (id)
);
INSERT INTO "artifact" VALUES(1,1,1,100001,0,'verified','/studies/out','study/p1/gpt-image-2_s1_607fc898.png','study/p1/gpt-image-2_s1_607fc898.png','study/p1/.607fc898-a100001-0.part','fd8967e3aacf71764c56c7feae9d8ea6ae56edb51438c138189fbc1565c4e444',5538,102,102,'image/png','2026-11-25T21:30:11.602263Z');
INSERT INTO "artifact" VALUES(2,1,2,200001,0,'verified','/studies/out','study/p2/gpt-image-2_s1_0aa3c86f.png','study/p2/gpt-image-2_s1_0aa3c86f.png','study/p2/.0aa3c86f-a200001-0.part','d37b6c6f1fe30ef2874aabbf673af3101d1defb252fa9047fef67f1444257c4a',5418,102,102,'image/png','2026-11-25T21:30:11.602350Z');
CREATE TABLE attempt (
	id INTEGER NOT NULL, 
	job_id INTEGER NOT NULL, 
	n INTEGER NOT NULL, 
	run_id INTEGER, 
	outcome TEXT NOT NULL, 
	task_id TEXT, 
	body_sha256 TEXT NOT NULL, 
	est_micros BIGINT, 
	cost_micros BIGINT, 
	cap_micros BIGINT, 
	committed_micros BIGINT NOT NULL, 
	opened_at VARCHAR(27) NOT NULL, 
	settled_at VARCHAR(27), 
	rendered_at VARCHAR(27), 
	expires_at VARCHAR(27), 
	result_urls TEXT DEFAULT '' NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	detail TEXT DEFAULT '' NOT NULL, 
	superseded BOOLEAN DEFAULT false NOT NULL, key_name TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_attempt PRIMARY KEY (id), 
	CONSTRAINT fk_attempt_job_id FOREIGN KEY(job_id) REFERENCES job (id), 
	CONSTRAINT fk_attempt_run_id FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT uq_attempt_task_id UNIQUE (task_id)
);
INSERT INTO "attempt" VALUES(100001,1,1,1,'accepted','img_e68608f8d912a13729089b54','828a2f2c6ae9e323a14047b4e7d1c1ff75b037d23c697b83a99b9f0f016d502c',30000,30000,NULL,30000,'2026-11-25T21:30:10.203774Z','2026-11-25T21:30:10.288890Z','2026-11-25T21:30:11.420946Z','2026-11-28T21:30:11.420928Z','','','',0,'');
INSERT INTO "attempt" VALUES(200001,2,1,1,'accepted','img_c2aa3a62e9e87710e5c276c3','b684e5fc2e917452bf25a0cd14d29fd38a413dd3666ca54a6b3820219b0d5efd',30000,30000,NULL,60000,'2026-11-25T21:30:10.204636Z','2026-11-25T21:30:10.300941Z','2026-11-25T21:30:11.421203Z','2026-11-28T21:30:11.421198Z','','','',0,'');
INSERT INTO "attempt" VALUES(300001,3,1,2,'not_billed',NULL,'8372c58e5ca96ccd0b2d1f83ad69eb37a37a610d699e03e25cfd6f6215da5561',30000,NULL,NULL,90000,'2026-11-25T21:30:16.520171Z','2026-11-25T21:30:21.120802Z',NULL,NULL,'','decided','looked up',1,'');
INSERT INTO "attempt" VALUES(400001,4,1,2,'ambiguous',NULL,'a298c6c0d8bccbbbfd64a7bd9f59edbf33c4daebf6ee911ba2731d3676e37222',30000,NULL,NULL,120000,'2026-11-25T21:30:16.520298Z','2026-11-25T21:30:21.149364Z',NULL,NULL,'','interrupted','the run ended while the order was out',0,'');
CREATE TABLE batch (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	output_dir TEXT NOT NULL, 
	created_at VARCHAR(27) NOT NULL, 
	spent_micros BIGINT DEFAULT '0' NOT NULL, 
	reserved_micros BIGINT DEFAULT '0' NOT NULL, 
	held_micros BIGINT DEFAULT '0' NOT NULL, 
	orders BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_batch PRIMARY KEY (id), 
	CONSTRAINT uq_batch_name UNIQUE (name)
);
INSERT INTO "batch" VALUES(1,'study','/studies/out','2026-11-25T21:30:10.053249Z',60000,0,30000,3);
CREATE TABLE batch_total (
	batch_id INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	jobs BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_batch_total PRIMARY KEY (batch_id, state), 
	CONSTRAINT fk_batch_total_batch_id FOREIGN KEY(batch_id) REFERENCES batch (id)
);
INSERT INTO "batch_total" VALUES(1,'planned',2);
INSERT INTO "batch_total" VALUES(1,'submitting',0);
INSERT INTO "batch_total" VALUES(1,'ambiguous',1);
INSERT INTO "batch_total" VALUES(1,'submitted',0);
INSERT INTO "batch_total" VALUES(1,'rendered',0);
INSERT INTO "batch_total" VALUES(1,'saved',2);
INSERT INTO "batch_total" VALUES(1,'failed',0);
INSERT INTO "batch_total" VALUES(1,'cancelled',1);
CREATE TABLE command (
	id INTEGER NOT NULL, 
	batch_id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	argument TEXT DEFAULT '' NOT NULL, 
	actor TEXT NOT NULL, 
	created_at VARCHAR(27) NOT NULL, 
	taken_at VARCHAR(27), run_id INTEGER, 
	CONSTRAINT pk_command PRIMARY KEY (id), 
	CONSTRAINT fk_command_batch_id FOREIGN KEY(batch_id) REFERENCES batch (id)
);
CREATE TABLE edge (
	"before" TEXT NOT NULL, 
	"after" TEXT NOT NULL, 
	CONSTRAINT pk_edge PRIMARY KEY ("before", "after")
);
INSERT INTO "edge" VALUES('ambiguous','cancelled');
INSERT INTO "edge" VALUES('ambiguous','planned');
INSERT INTO "edge" VALUES('ambiguous','submitted');
INSERT INTO "edge" VALUES('cancelled','planned');
INSERT INTO "edge" VALUES('failed','planned');
INSERT INTO "edge" VALUES('failed','rendered');
INSERT INTO "edge" VALUES('planned','cancelled');
INSERT INTO "edge" VALUES('planned','submitting');
INSERT INTO "edge" VALUES('rendered','failed');
INSERT INTO "edge" VALUES('rendered','rendered');
INSERT INTO "edge" VALUES('rendered','saved');
INSERT INTO "edge" VALUES('rendered','submitted');
INSERT INTO "edge" VALUES('submitted','failed');
INSERT INTO "edge" VALUES('submitted','rendered');
INSERT INTO "edge" VALUES('submitted','submitted');
INSERT INTO "edge" VALUES('submitting','ambiguous');
INSERT INTO "edge" VALUES('submitting','failed');
INSERT INTO "edge" VALUES('submitting','planned');
INSERT INTO "edge" VALUES('submitting','submitted');
INSERT INTO "edge" VALUES('ambiguous','ambiguous');
INSERT INTO "edge" VALUES('failed','failed');
INSERT INTO "edge" VALUES('planned','planned');
CREATE TABLE event (
	id INTEGER NOT NULL, 
	job_id INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	"before" TEXT NOT NULL, 
	"after" TEXT NOT NULL, 
	event TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	at VARCHAR(27) NOT NULL, 
	run_id INTEGER, 
	attempt_id INTEGER, 
	is_decision BOOLEAN NOT NULL, 
	CONSTRAINT pk_event PRIMARY KEY (id), 
	CONSTRAINT fk_event_attempt_id FOREIGN KEY(attempt_id) REFERENCES attempt (id), 
	CONSTRAINT fk_event_job_id FOREIGN KEY(job_id) REFERENCES job (id), 
	CONSTRAINT fk_event_run_id FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT uq_event_job_id_seq UNIQUE (job_id, seq)
);
INSERT INTO "event" VALUES(1,1,1,'planned','submitting','submit_started','runner','','{"body_sha256": "828a2f2c6ae9e323a14047b4e7d1c1ff75b037d23c697b83a99b9f0f016d502c", "reserved": 30000}','2026-11-25T21:30:10.203774Z',1,100001,0);
INSERT INTO "event" VALUES(2,2,1,'planned','submitting','submit_started','runner','','{"body_sha256": "b684e5fc2e917452bf25a0cd14d29fd38a413dd3666ca54a6b3820219b0d5efd", "reserved": 30000}','2026-11-25T21:30:10.204636Z',1,200001,0);
INSERT INTO "event" VALUES(3,1,2,'submitting','submitted','submit_accepted','runner','','{"task_id": "img_e68608f8d912a13729089b54", "cost": 30000}','2026-11-25T21:30:10.288890Z',1,100001,0);
INSERT INTO "event" VALUES(4,2,2,'submitting','submitted','submit_accepted','runner','','{"task_id": "img_c2aa3a62e9e87710e5c276c3", "cost": 30000}','2026-11-25T21:30:10.300941Z',1,200001,0);
INSERT INTO "event" VALUES(5,1,3,'submitted','rendered','render_finished','runner','','{"urls": 1, "expires_at": "2026-11-28T21:30:11.420928Z", "cost": 30000}','2026-11-25T21:30:11.420946Z',1,100001,0);
INSERT INTO "event" VALUES(6,2,3,'submitted','rendered','render_finished','runner','','{"urls": 1, "expires_at": "2026-11-28T21:30:11.421198Z", "cost": 30000}','2026-11-25T21:30:11.421203Z',1,200001,0);
INSERT INTO "event" VALUES(7,1,4,'rendered','rendered','images_staged','runner','','{"images": [{"path": "study/p1/gpt-image-2_s1_607fc898.png", "sha256": "fd8967e3aacf71764c56c7feae9d8ea6ae56edb51438c138189fbc1565c4e444", "bytes": 5538}]}','2026-11-25T21:30:11.563676Z',1,100001,0);
INSERT INTO "event" VALUES(8,2,4,'rendered','rendered','images_staged','runner','','{"images": [{"path": "study/p2/gpt-image-2_s1_0aa3c86f.png", "sha256": "d37b6c6f1fe30ef2874aabbf673af3101d1defb252fa9047fef67f1444257c4a", "bytes": 5418}]}','2026-11-25T21:30:11.563726Z',1,200001,0);
INSERT INTO "event" VALUES(9,1,5,'rendered','saved','images_saved','runner','','{"images": [{"path": "study/p1/gpt-image-2_s1_607fc898.png", "sha256": "fd8967e3aacf71764c56c7feae9d8ea6ae56edb51438c138189fbc1565c4e444", "bytes": 5538}]}','2026-11-25T21:30:11.602263Z',1,100001,0);
INSERT INTO "event" VALUES(10,2,5,'rendered','saved','images_saved','runner','','{"images": [{"path": "study/p2/gpt-image-2_s1_0aa3c86f.png", "sha256": "d37b6c6f1fe30ef2874aabbf673af3101d1defb252fa9047fef67f1444257c4a", "bytes": 5418}]}','2026-11-25T21:30:11.602350Z',1,200001,0);
INSERT INTO "event" VALUES(11,3,1,'planned','submitting','submit_started','runner','','{"body_sha256": "8372c58e5ca96ccd0b2d1f83ad69eb37a37a610d699e03e25cfd6f6215da5561", "reserved": 30000}','2026-11-25T21:30:16.520171Z',2,300001,0);
INSERT INTO "event" VALUES(12,4,1,'planned','submitting','submit_started','runner','','{"body_sha256": "a298c6c0d8bccbbbfd64a7bd9f59edbf33c4daebf6ee911ba2731d3676e37222", "reserved": 30000}','2026-11-25T21:30:16.520298Z',2,400001,0);
INSERT INTO "event" VALUES(13,3,2,'submitting','ambiguous','submit_unknown','recovery','interrupted','{"detail": "the run ended while the order was out"}','2026-11-25T21:30:21.120802Z',3,300001,0);
INSERT INTO "event" VALUES(14,4,2,'submitting','ambiguous','submit_unknown','recovery','interrupted','{"detail": "the run ended while the order was out"}','2026-11-25T21:30:21.149364Z',3,400001,0);
INSERT INTO "event" VALUES(15,5,1,'planned','cancelled','job_cancelled','operator:root','decided','{"detail": "not wanted"}','2026-11-25T21:30:32.006439Z',NULL,NULL,0);
INSERT INTO "event" VALUES(16,3,3,'ambiguous','planned','billing_disproved','operator:root','decided','{"detail": "looked up"}','2026-11-25T21:30:36.853871Z',NULL,300001,1);
CREATE TABLE gate (
	vendor TEXT NOT NULL, 
	shut_until VARCHAR(27) NOT NULL, 
	why TEXT NOT NULL, 
	CONSTRAINT pk_gate PRIMARY KEY (vendor)
);
CREATE TABLE job (
	id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	sweep TEXT NOT NULL, 
	prompt_id TEXT NOT NULL, 
	prompt TEXT NOT NULL, 
	operation TEXT NOT NULL, 
	model TEXT NOT NULL, 
	params TEXT NOT NULL, 
	labels TEXT NOT NULL, 
	refs TEXT NOT NULL, 
	cell TEXT NOT NULL, 
	sample INTEGER NOT NULL, 
	ordinal INTEGER NOT NULL, 
	position BIGINT NOT NULL, 
	batch_id INTEGER NOT NULL, 
	plan_id INTEGER NOT NULL, 
	state TEXT DEFAULT 'planned' NOT NULL, 
	version INTEGER DEFAULT '0' NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	next_at VARCHAR(27), 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	unproven INTEGER DEFAULT '0' NOT NULL, 
	not_sent INTEGER DEFAULT '0' NOT NULL, 
	regenerated INTEGER DEFAULT '0' NOT NULL, 
	attempt_id INTEGER, 
	retired_at VARCHAR(27), 
	planned_at VARCHAR(27) NOT NULL, 
	updated_at VARCHAR(27) NOT NULL, run_id INTEGER, 
	CONSTRAINT pk_job PRIMARY KEY (id), 
	CONSTRAINT fk_job_batch_id FOREIGN KEY(batch_id) REFERENCES batch (id), 
	CONSTRAINT fk_job_plan_id FOREIGN KEY(plan_id) REFERENCES "plan" (id)
);
INSERT INTO "job" VALUES(1,'607fc898e0f6b984c1ad457a80653989','study','p1','a gate','image','gpt-image-2','{"model":"gpt-image-2","quality":"low"}','{}','[]','gpt-image-2',1,0,0,1,3,'saved',5,'',NULL,1,0,0,0,100001,NULL,'2026-11-25T21:30:10.053249Z','2026-11-25T21:30:24.932733Z',NULL);
INSERT INTO "job" VALUES(2,'0aa3c86fe3c758ff6056e8586cabfd19','study','p2','a door','image','gpt-image-2','{"model":"gpt-image-2","quality":"low"}','{}','[]','gpt-image-2',1,0,1,1,3,'saved',5,'',NULL,1,0,0,0,200001,NULL,'2026-11-25T21:30:10.053249Z','2026-11-25T21:30:24.932733Z',NULL);
INSERT INTO "job" VALUES(3,'0370f4880c5547a845ba54b702c9c943','study','p3','a bridge','image','gpt-image-2','{"model":"gpt-image-2","quality":"low"}','{}','[]','gpt-image-2',1,0,2,1,3,'planned',3,'decided',NULL,1,0,0,0,NULL,NULL,'2026-11-25T21:30:16.290277Z','2026-11-25T21:30:36.853871Z',NULL);
INSERT INTO "job" VALUES(4,'632c8d439545fbc0c0782a05bbd29f7b','study','p4','a tower','image','gpt-image-2','{"model":"gpt-image-2","quality":"low"}','{}','[]','gpt-image-2',1,0,3,1,3,'ambiguous',2,'interrupted',NULL,1,0,0,0,400001,NULL,'2026-11-25T21:30:16.290277Z','2026-11-25T21:30:24.932733Z',NULL);
INSERT INTO "job" VALUES(5,'1980b6d4427fd4a97b0dbe14fb6a86cb','study','p5','a fence','image','gpt-image-2','{"model":"gpt-image-2","quality":"low"}','{}','[]','gpt-image-2',1,0,4,1,3,'cancelled',1,'decided',NULL,0,0,0,0,NULL,NULL,'2026-11-25T21:30:24.932733Z','2026-11-25T21:30:32.006439Z',NULL);
INSERT INTO "job" VALUES(6,'9a9785efa4848e4984d3103b5a666a6e','study','p6','a well','image','gpt-image-2','{"model":"gpt-image-2","quality":"low"}','{}','[]','gpt-image-2',1,0,5,1,3,'planned',0,'',NULL,0,0,0,0,NULL,NULL,'2026-11-25T21:30:24.932733Z','2026-11-25T21:30:24.932733Z',NULL);
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_meta PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('application','batchgen');
INSERT INTO "meta" VALUES('db_uuid','1d4a8e74-836b-4501-a46a-febe4993026c');
CREATE TABLE pace (
	vendor TEXT NOT NULL, 
	model TEXT NOT NULL, 
	in_flight FLOAT NOT NULL, 
	submits_per_s FLOAT, 
	updated_at VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_pace PRIMARY KEY (vendor, model)
);
CREATE TABLE "plan" (
	id INTEGER NOT NULL, 
	batch_id INTEGER NOT NULL, 
	created_at VARCHAR(27) NOT NULL, 
	manifest BLOB NOT NULL, 
	manifest_path TEXT NOT NULL, 
	manifest_sha256 TEXT NOT NULL, 
	files TEXT NOT NULL, 
	settings TEXT NOT NULL, 
	total BIGINT NOT NULL, 
	tool_version TEXT NOT NULL, prices TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_plan PRIMARY KEY (id), 
	CONSTRAINT fk_plan_batch_id FOREIGN KEY(batch_id) REFERENCES batch (id)
);
INSERT INTO "plan" VALUES(1,1,'2026-11-25T21:30:10.053249Z',X'7B0A20202276657273696F6E223A20312C0A2020226E616D65223A20227374756479222C0A20202270726F7669646572223A207B0A2020202022757365223A20226A696D6D796169222C0A2020202022626173655F75726C223A2022687474703A2F2F3132372E302E302E313A3333373435220A20207D2C0A20202264656661756C7473223A207B0A20202020226D6F64656C223A20226770742D696D6167652D32222C0A20202020227175616C697479223A20226C6F77220A20207D2C0A20202270726F6D707473223A205B0A2020202022612067617465222C0A20202020226120646F6F72220A20205D2C0A2020226F7574707574223A207B0A2020202022646972223A20226F7574220A20207D2C0A2020226C696D697473223A207B0A2020202022696E5F666C69676874223A20320A20207D2C0A2020227265747279223A207B0A2020202022617474656D707473223A20352C0A20202020226261636B6F6666223A207B0A20202020202022696E697469616C223A2022302E3173222C0A202020202020226D6178223A20223173220A202020207D0A20207D0A7D','study.yaml','7d28ec520ed0b399ccb4dece12730d9e4a75aa03611f369ba1be10f1962f6d5d','[]','{"name":"study","tags":[],"metadata":{},"provider":{"use":"jimmyai","api_key_env":"JIMMYAI_API_KEY","base_url":"http://127.0.0.1:33745","sync_base_url":null,"sim":{},"vendor":null,"prices":{}},"output":{"dir":"/studies/out","name":"{{ sweep }}/{{ prompt_id }}/{{ cell }}_s{{ sample }}_{{ key8 }}","sidecar":true},"references":{},"in_flight":2,"submits_per_s":null,"per_model":{},"submit_timeout_s":180.0,"task_timeout_s":1800.0,"download_timeout_s":600.0,"budget_cost":null,"budget_jobs":null,"deadline":null,"halt_after_failures":null,"operations":["image"],"order":"by_sample","shuffle_seed":0,"on_ambiguous":"hold","attempts":5,"backoff_initial_s":0.1,"backoff_max_s":1.0,"notify":[]}',2,'0.1.0','{"source": "127.0.0.1:33745/api/openapi/model/catalog", "at": "2026-11-25T21:30:09.697025+00:00", "prices": {"Gemini-Omini": ["0.1", "per_second"], "doubao-seedream-5-0-pro-1k": ["0.36", "per_task"], "doubao-seedream-5-0-pro-2k": ["0.72", "per_task"], "doubao-seedream-5-0-pro-ref": ["0.024", "per_task"], "flux-3": ["0.08", "per_second"], "flux-3-draft": ["0.02", "per_second"], "flux-3-draft-fast": ["0.01", "per_second"], "flux-3-fast": ["0.05", "per_second"], "flux-3-max": ["0.2", "per_second"], "flux-3-pro": ["0.12", "per_second"], "gpt-image-1.5": ["0.04", "per_task"], "gpt-image-1.5-high": ["0.08", "per_task"], "gpt-image-1.5-low": ["0.02", "per_task"], "gpt-image-1.5-medium": ["0.04", "per_task"], "gpt-image-2": ["0.06", "per_task"], "gpt-image-2-high": ["0.12", "per_task"], "gpt-image-2-low": ["0.03", "per_task"], "gpt-image-2-medium": ["0.06", "per_task"], "gpt-image-2-sync": ["0.07", "per_task"], "gpt-image-2-sync-high": ["0.14", "per_task"], "gpt-image-2-sync-low": ["0.035", "per_task"], "gpt-image-2-sync-medium": ["0.07", "per_task"], "gpt-image-2.5-flare": ["0.05", "per_task"], "gpt-image-2.5-sunburst": ["0.1", "per_task"], "grok-imagine-image": ["0.04", "per_task"], "grok-imagine-image-2": ["0.01", "per_task"], "grok-imagine-image-2-1k": ["0.05", "per_task"], "grok-imagine-image-2-2k": ["0.08", "per_task"], "grok-imagine-video-1.5": ["0.05", "per_second"], "kling-o3": ["0.09", "per_second"], "minimax-h3": ["0.07", "per_second"], "minimax-h3-gz": ["0.05", "per_second"], "nano-banana": ["0.03", "per_task"], "nano-banana-2": ["0.05", "per_task"], "nano-banana-pro": ["0.12", "per_task"], "omni-10s": ["0.5", "per_task"], "openai-sora-2": ["0.1", "per_second"], "openai/dall-e-2": ["0.02", "per_task"], "openai/dall-e-3": ["0.04", "per_task"], "openai/dall-e-3-hd": ["0.08", "per_task"], "openai/gpt-image-1": ["0.042", "per_task"], "openai/gpt-image-1-high": ["0.167", "per_task"], "openai/gpt-image-1-low": ["0.011", "per_task"], "openai/gpt-image-1-medium": ["0.042", "per_task"], "openai/gpt-image-1-mini": ["0.011", "per_task"], "openai/gpt-image-1-mini-high": ["0.036", "per_task"], "openai/gpt-image-1-mini-low": ["0.005", "per_task"], "openai/gpt-image-1-mini-medium": ["0.011", "per_task"], "openai/gpt-image-1.5": ["0.034", "per_task"], "openai/gpt-image-1.5-high": ["0.133", "per_task"], "openai/gpt-image-1.5-low": ["0.009", "per_task"], "openai/gpt-image-1.5-medium": ["0.034", "per_task"], "openai/gpt-image-2": ["0.042", "per_task"], "openai/gpt-image-2-high": ["0.167", "per_task"], "openai/gpt-image-2-low": ["0.011", "per_task"], "openai/gpt-image-2-medium": ["0.042", "per_task"], "remove-bg": ["0.01", "per_task"], "sd2-933-720p": ["0.0479", "per_second"], "sd2_mx_1080p": ["0.08", "per_second"], "sd2_mx_720p": ["0.05", "per_second"], "seedance-2.5": ["0.4", "per_second"], "seedance-2.5-sp": ["0.5", "per_second"], "seedance2.0-fast": ["0.04", "per_second"], "seedance2.0-pro": ["0.09", "per_second"], "seedance2.5-gz": ["0.3", "per_second"], "sora2-12s": ["0.6", "per_task"], "sora2-gz-sp": ["0.08", "per_second"], "sora2-gz-stable": ["0.06", "per_second"], "upscale": ["0.02", "per_task"], "veo_3_1_fast": ["0.05", "per_second"], "veo_3_1_fast-4k": ["0.12", "per_second"], "veo_3_1_lite": ["0.03", "per_second"], "wan3.0": ["0.06", "per_second"], "wan3.0-gz": ["0.04", "per_second"]}}');
INSERT INTO "plan" VALUES(2,1,'2026-11-25T21:30:16.290277Z',X'7B0A20202276657273696F6E223A20312C0A2020226E616D65223A20227374756479222C0A20202270726F7669646572223A207B0A2020202022757365223A20226A696D6D796169222C0A2020202022626173655F75726C223A2022687474703A2F2F3132372E302E302E313A3333373435220A20207D2C0A20202264656661756C7473223A207B0A20202020226D6F64656C223A20226770742D696D6167652D32222C0A20202020227175616C697479223A20226C6F77220A20207D2C0A20202270726F6D707473223A205B0A2020202022612067617465222C0A20202020226120646F6F72222C0A20202020226120627269646765222C0A20202020226120746F776572220A20205D2C0A2020226F7574707574223A207B0A2020202022646972223A20226F7574220A20207D2C0A2020226C696D697473223A207B0A2020202022696E5F666C69676874223A20320A20207D2C0A2020227265747279223A207B0A2020202022617474656D707473223A20352C0A20202020226261636B6F6666223A207B0A20202020202022696E697469616C223A2022302E3173222C0A202020202020226D6178223A20223173220A202020207D0A20207D0A7D','study.yaml','6a8e1ee1bb6a9eaaebf3d775127ba752fb196ff62c593aaeee03966104543362','[]','{"name":"study","tags":[],"metadata":{},"provider":{"use":"jimmyai","api_key_env":"JIMMYAI_API_KEY","base_url":"http://127.0.0.1:33745","sync_base_url":null,"sim":{},"vendor":null,"prices":{}},"output":{"dir":"/studies/out","name":"{{ sweep }}/{{ prompt_id }}/{{ cell }}_s{{ sample }}_{{ key8 }}","sidecar":true},"references":{},"in_flight":2,"submits_per_s":null,"per_model":{},"submit_timeout_s":180.0,"task_timeout_s":1800.0,"download_timeout_s":600.0,"budget_cost":null,"budget_jobs":null,"deadline":null,"halt_after_failures":null,"operations":["image"],"order":"by_sample","shuffle_seed":0,"on_ambiguous":"hold","attempts":5,"backoff_initial_s":0.1,"backoff_max_s":1.0,"notify":[]}',4,'0.1.0','{"source": "127.0.0.1:33745/api/openapi/model/catalog", "at": "2026-11-25T21:30:16.190619+00:00", "prices": {"Gemini-Omini": ["0.1", "per_second"], "doubao-seedream-5-0-pro-1k": ["0.36", "per_task"], "doubao-seedream-5-0-pro-2k": ["0.72", "per_task"], "doubao-seedream-5-0-pro-ref": ["0.024", "per_task"], "flux-3": ["0.08", "per_second"], "flux-3-draft": ["0.02", "per_second"], "flux-3-draft-fast": ["0.01", "per_second"], "flux-3-fast": ["0.05", "per_second"], "flux-3-max": ["0.2", "per_second"], "flux-3-pro": ["0.12", "per_second"], "gpt-image-1.5": ["0.04", "per_task"], "gpt-image-1.5-high": ["0.08", "per_task"], "gpt-image-1.5-low": ["0.02", "per_task"], "gpt-image-1.5-medium": ["0.04", "per_task"], "gpt-image-2": ["0.06", "per_task"], "gpt-image-2-high": ["0.12", "per_task"], "gpt-image-2-low": ["0.03", "per_task"], "gpt-image-2-medium": ["0.06", "per_task"], "gpt-image-2-sync": ["0.07", "per_task"], "gpt-image-2-sync-high": ["0.14", "per_task"], "gpt-image-2-sync-low": ["0.035", "per_task"], "gpt-image-2-sync-medium": ["0.07", "per_task"], "gpt-image-2.5-flare": ["0.05", "per_task"], "gpt-image-2.5-sunburst": ["0.1", "per_task"], "grok-imagine-image": ["0.04", "per_task"], "grok-imagine-image-2": ["0.01", "per_task"], "grok-imagine-image-2-1k": ["0.05", "per_task"], "grok-imagine-image-2-2k": ["0.08", "per_task"], "grok-imagine-video-1.5": ["0.05", "per_second"], "kling-o3": ["0.09", "per_second"], "minimax-h3": ["0.07", "per_second"], "minimax-h3-gz": ["0.05", "per_second"], "nano-banana": ["0.03", "per_task"], "nano-banana-2": ["0.05", "per_task"], "nano-banana-pro": ["0.12", "per_task"], "omni-10s": ["0.5", "per_task"], "openai-sora-2": ["0.1", "per_second"], "openai/dall-e-2": ["0.02", "per_task"], "openai/dall-e-3": ["0.04", "per_task"], "openai/dall-e-3-hd": ["0.08", "per_task"], "openai/gpt-image-1": ["0.042", "per_task"], "openai/gpt-image-1-high": ["0.167", "per_task"], "openai/gpt-image-1-low": ["0.011", "per_task"], "openai/gpt-image-1-medium": ["0.042", "per_task"], "openai/gpt-image-1-mini": ["0.011", "per_task"], "openai/gpt-image-1-mini-high": ["0.036", "per_task"], "openai/gpt-image-1-mini-low": ["0.005", "per_task"], "openai/gpt-image-1-mini-medium": ["0.011", "per_task"], "openai/gpt-image-1.5": ["0.034", "per_task"], "openai/gpt-image-1.5-high": ["0.133", "per_task"], "openai/gpt-image-1.5-low": ["0.009", "per_task"], "openai/gpt-image-1.5-medium": ["0.034", "per_task"], "openai/gpt-image-2": ["0.042", "per_task"], "openai/gpt-image-2-high": ["0.167", "per_task"], "openai/gpt-image-2-low": ["0.011", "per_task"], "openai/gpt-image-2-medium": ["0.042", "per_task"], "remove-bg": ["0.01", "per_task"], "sd2-933-720p": ["0.0479", "per_second"], "sd2_mx_1080p": ["0.08", "per_second"], "sd2_mx_720p": ["0.05", "per_second"], "seedance-2.5": ["0.4", "per_second"], "seedance-2.5-sp": ["0.5", "per_second"], "seedance2.0-fast": ["0.04", "per_second"], "seedance2.0-pro": ["0.09", "per_second"], "seedance2.5-gz": ["0.3", "per_second"], "sora2-12s": ["0.6", "per_task"], "sora2-gz-sp": ["0.08", "per_second"], "sora2-gz-stable": ["0.06", "per_second"], "upscale": ["0.02", "per_task"], "veo_3_1_fast": ["0.05", "per_second"], "veo_3_1_fast-4k": ["0.12", "per_second"], "veo_3_1_lite": ["0.03", "per_second"], "wan3.0": ["0.06", "per_second"], "wan3.0-gz": ["0.04", "per_second"]}}');
INSERT INTO "plan" VALUES(3,1,'2026-11-25T21:30:24.932733Z',X'7B0A20202276657273696F6E223A20312C0A2020226E616D65223A20227374756479222C0A20202270726F7669646572223A207B0A2020202022757365223A20226A696D6D796169222C0A2020202022626173655F75726C223A2022687474703A2F2F3132372E302E302E313A3333373435220A20207D2C0A20202264656661756C7473223A207B0A20202020226D6F64656C223A20226770742D696D6167652D32222C0A20202020227175616C697479223A20226C6F77220A20207D2C0A20202270726F6D707473223A205B0A2020202022612067617465222C0A20202020226120646F6F72222C0A20202020226120627269646765222C0A20202020226120746F776572222C0A2020202022612066656E6365222C0A2020202022612077656C6C220A20205D2C0A2020226F7574707574223A207B0A2020202022646972223A20226F7574220A20207D2C0A2020226C696D697473223A207B0A2020202022696E5F666C69676874223A20320A20207D2C0A2020227265747279223A207B0A2020202022617474656D707473223A20352C0A20202020226261636B6F6666223A207B0A20202020202022696E697469616C223A2022302E3173222C0A202020202020226D6178223A20223173220A202020207D0A20207D0A7D','study.yaml','430597d4a57c849b753ab954555bf2c9a904d8dc674834361be41b18db359905','[]','{"name":"study","tags":[],"metadata":{},"provider":{"use":"jimmyai","api_key_env":"JIMMYAI_API_KEY","base_url":"http://127.0.0.1:33745","sync_base_url":null,"sim":{},"vendor":null,"prices":{}},"output":{"dir":"/studies/out","name":"{{ sweep }}/{{ prompt_id }}/{{ cell }}_s{{ sample }}_{{ key8 }}","sidecar":true},"references":{},"in_flight":2,"submits_per_s":null,"per_model":{},"submit_timeout_s":180.0,"task_timeout_s":1800.0,"download_timeout_s":600.0,"budget_cost":null,"budget_jobs":null,"deadline":null,"halt_after_failures":null,"operations":["image"],"order":"by_sample","shuffle_seed":0,"on_ambiguous":"hold","attempts":5,"backoff_initial_s":0.1,"backoff_max_s":1.0,"notify":[]}',6,'0.1.0','{"source": "127.0.0.1:33745/api/openapi/model/catalog", "at": "2026-11-25T21:30:24.688072+00:00", "prices": {"Gemini-Omini": ["0.1", "per_second"], "doubao-seedream-5-0-pro-1k": ["0.36", "per_task"], "doubao-seedream-5-0-pro-2k": ["0.72", "per_task"], "doubao-seedream-5-0-pro-ref": ["0.024", "per_task"], "flux-3": ["0.08", "per_second"], "flux-3-draft": ["0.02", "per_second"], "flux-3-draft-fast": ["0.01", "per_second"], "flux-3-fast": ["0.05", "per_second"], "flux-3-max": ["0.2", "per_second"], "flux-3-pro": ["0.12", "per_second"], "gpt-image-1.5": ["0.04", "per_task"], "gpt-image-1.5-high": ["0.08", "per_task"], "gpt-image-1.5-low": ["0.02", "per_task"], "gpt-image-1.5-medium": ["0.04", "per_task"], "gpt-image-2": ["0.06", "per_task"], "gpt-image-2-high": ["0.12", "per_task"], "gpt-image-2-low": ["0.03", "per_task"], "gpt-image-2-medium": ["0.06", "per_task"], "gpt-image-2-sync": ["0.07", "per_task"], "gpt-image-2-sync-high": ["0.14", "per_task"], "gpt-image-2-sync-low": ["0.035", "per_task"], "gpt-image-2-sync-medium": ["0.07", "per_task"], "gpt-image-2.5-flare": ["0.05", "per_task"], "gpt-image-2.5-sunburst": ["0.1", "per_task"], "grok-imagine-image": ["0.04", "per_task"], "grok-imagine-image-2": ["0.01", "per_task"], "grok-imagine-image-2-1k": ["0.05", "per_task"], "grok-imagine-image-2-2k": ["0.08", "per_task"], "grok-imagine-video-1.5": ["0.05", "per_second"], "kling-o3": ["0.09", "per_second"], "minimax-h3": ["0.07", "per_second"], "minimax-h3-gz": ["0.05", "per_second"], "nano-banana": ["0.03", "per_task"], "nano-banana-2": ["0.05", "per_task"], "nano-banana-pro": ["0.12", "per_task"], "omni-10s": ["0.5", "per_task"], "openai-sora-2": ["0.1", "per_second"], "openai/dall-e-2": ["0.02", "per_task"], "openai/dall-e-3": ["0.04", "per_task"], "openai/dall-e-3-hd": ["0.08", "per_task"], "openai/gpt-image-1": ["0.042", "per_task"], "openai/gpt-image-1-high": ["0.167", "per_task"], "openai/gpt-image-1-low": ["0.011", "per_task"], "openai/gpt-image-1-medium": ["0.042", "per_task"], "openai/gpt-image-1-mini": ["0.011", "per_task"], "openai/gpt-image-1-mini-high": ["0.036", "per_task"], "openai/gpt-image-1-mini-low": ["0.005", "per_task"], "openai/gpt-image-1-mini-medium": ["0.011", "per_task"], "openai/gpt-image-1.5": ["0.034", "per_task"], "openai/gpt-image-1.5-high": ["0.133", "per_task"], "openai/gpt-image-1.5-low": ["0.009", "per_task"], "openai/gpt-image-1.5-medium": ["0.034", "per_task"], "openai/gpt-image-2": ["0.042", "per_task"], "openai/gpt-image-2-high": ["0.167", "per_task"], "openai/gpt-image-2-low": ["0.011", "per_task"], "openai/gpt-image-2-medium": ["0.042", "per_task"], "remove-bg": ["0.01", "per_task"], "sd2-933-720p": ["0.0479", "per_second"], "sd2_mx_1080p": ["0.08", "per_second"], "sd2_mx_720p": ["0.05", "per_second"], "seedance-2.5": ["0.4", "per_second"], "seedance-2.5-sp": ["0.5", "per_second"], "seedance2.0-fast": ["0.04", "per_second"], "seedance2.0-pro": ["0.09", "per_second"], "seedance2.5-gz": ["0.3", "per_second"], "sora2-12s": ["0.6", "per_task"], "sora2-gz-sp": ["0.08", "per_second"], "sora2-gz-stable": ["0.06", "per_second"], "upscale": ["0.02", "per_task"], "veo_3_1_fast": ["0.05", "per_second"], "veo_3_1_fast-4k": ["0.12", "per_second"], "veo_3_1_lite": ["0.03", "per_second"], "wan3.0": ["0.06", "per_second"], "wan3.0-gz": ["0.04", "per_second"]}}');
CREATE TABLE purse (
	batch_id INTEGER NOT NULL, 
	scope TEXT NOT NULL, 
	name TEXT NOT NULL, 
	spent_micros BIGINT DEFAULT '0' NOT NULL, 
	reserved_micros BIGINT DEFAULT '0' NOT NULL, 
	held_micros BIGINT DEFAULT '0' NOT NULL, 
	orders BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_purse PRIMARY KEY (batch_id, scope, name), 
	CONSTRAINT fk_purse_batch_id_batch FOREIGN KEY(batch_id) REFERENCES batch (id)
);
INSERT INTO "purse" VALUES(1,'model','gpt-image-2',60000,0,30000,3);
INSERT INTO "purse" VALUES(1,'day','2026-11-25',60000,0,30000,3);
CREATE TABLE run (
	id INTEGER NOT NULL, 
	batch_id INTEGER, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	boot_id TEXT NOT NULL, 
	started_at VARCHAR(27) NOT NULL, 
	heartbeat_at VARCHAR(27) NOT NULL, 
	ended_at VARCHAR(27), 
	stop_reason TEXT DEFAULT '' NOT NULL, 
	exit_code INTEGER, 
	tool_version TEXT NOT NULL, 
	balance_before BIGINT, 
	balance_after BIGINT, used_before BIGINT, used_whose TEXT, lease_until VARCHAR(27), key_name TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_run PRIMARY KEY (id), 
	CONSTRAINT fk_run_batch_id FOREIGN KEY(batch_id) REFERENCES batch (id)
);
INSERT INTO "run" VALUES(1,1,'night-1',13284,'367f352a-fe1c-4b62-941f-9a5cc3624f07','2026-11-25T21:30:10.137189Z','2026-11-25T21:30:11.664675Z','2026-11-25T21:30:11.664675Z','finished',0,'0.1.0',1000000000,999940000,1000000,'key',NULL,'');
INSERT INTO "run" VALUES(2,1,'night-1',13395,'367f352a-fe1c-4b62-941f-9a5cc3624f07','2026-11-25T21:30:16.396741Z','2026-11-25T21:30:16.396741Z','2026-11-25T21:30:20.829645Z','died',NULL,'0.1.0',999940000,NULL,1000000,'key',NULL,'');
INSERT INTO "run" VALUES(3,1,'night-1',13496,'367f352a-fe1c-4b62-941f-9a5cc3624f07','2026-11-25T21:30:20.829645Z','2026-11-25T21:30:21.272500Z','2026-11-25T21:30:21.272500Z','finished',3,'0.1.0',999880000,999880000,1000000,'key',NULL,'');
CREATE TABLE share (
	run_id INTEGER NOT NULL, 
	model TEXT NOT NULL, 
	in_flight INTEGER, 
	submits_per_s FLOAT, 
	CONSTRAINT pk_share PRIMARY KEY (run_id, model), 
	CONSTRAINT fk_share_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
CREATE TABLE upload (
	vendor TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	url TEXT NOT NULL, 
	expires_at VARCHAR(27) NOT NULL, 
	created_at VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_upload PRIMARY KEY (vendor, sha256)
);
CREATE INDEX ix_command_batch_id ON command (batch_id);
CREATE INDEX ix_plan_batch_id ON "plan" (batch_id);
CREATE INDEX ix_run_batch_id ON run (batch_id);
CREATE INDEX ix_job_ambiguous ON job (batch_id, id) WHERE state = 'ambiguous';
CREATE INDEX ix_job_failed ON job (batch_id, id) WHERE state = 'failed';
CREATE INDEX ix_job_next_at ON job (batch_id, next_at) WHERE state = 'planned' AND next_at IS NOT NULL;
CREATE INDEX ix_job_planned ON job (batch_id, position, next_at, model) WHERE state = 'planned';
CREATE INDEX ix_job_rendered ON job (batch_id, id) WHERE state = 'rendered';
CREATE INDEX ix_job_submitted ON job (batch_id, id) WHERE state = 'submitted';
CREATE INDEX ix_job_submitting ON job (batch_id, id) WHERE state = 'submitting';
CREATE INDEX ix_attempt_job_id ON attempt (job_id);
CREATE INDEX ix_artifact_attempt_id ON artifact (attempt_id);
CREATE INDEX ix_artifact_job_id ON artifact (job_id);
CREATE UNIQUE INDEX ux_artifact_path ON artifact (output_dir, path_key);
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE INDEX ix_attempt_doubtful ON attempt (job_id) WHERE ((cost_micros IS NULL AND est_micros IS NULL) OR outcome = 'unproven');
CREATE UNIQUE INDEX ux_job_key ON job ("key", batch_id);
CREATE INDEX ix_job_run_id ON job (run_id) WHERE run_id IS NOT NULL;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event WHEN NOT EXISTS (SELECT 1 FROM job j JOIN archive x ON x.batch_id = j.batch_id WHERE j.id = OLD.job_id) BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE VIEW v_jobs AS SELECT j.id AS job_id, j.key, b.name AS batch, j.sweep, j.prompt_id, j.prompt, j.operation, j.model, j.params, j.labels, j.refs,
               j.cell, j.sample, j.ordinal, j.position, j.state, j.version, j.reason, j.attempts, c.task_id,
               (SELECT CAST(sum(coalesce(a.cost_micros, a.est_micros)) AS bigint) FROM attempt a WHERE a.job_id = j.id AND a.outcome IN ('accepted', 'ambiguous', 'unproven')) AS cost_micros,
               f.path, f.sha256, f.bytes, f.width, f.height, j.planned_at,
               CASE WHEN c.outcome = 'accepted' THEN c.settled_at END AS submitted_at, f.created_at AS saved_at,
               j.next_at, j.retired_at, coalesce(f.output_dir, b.output_dir) AS output_dir
        FROM job j JOIN batch b ON b.id = j.batch_id
        LEFT JOIN attempt c ON c.id = j.attempt_id
        LEFT JOIN artifact f ON f.job_id = j.id AND f.idx = 0 AND f.state = 'verified';
CREATE VIEW v_attempts AS SELECT a.id AS attempt_id, j.key, b.name AS batch, j.model, a.n, a.run_id, a.outcome, a.task_id, a.body_sha256, a.est_micros,
               a.cost_micros, a.cap_micros, a.committed_micros, a.opened_at, a.settled_at, a.rendered_at, a.expires_at, a.reason, a.detail,
               a.superseded
        FROM attempt a JOIN job j ON j.id = a.job_id JOIN batch b ON b.id = j.batch_id;
CREATE VIEW v_events AS SELECT e.id AS event_id, j.key, b.name AS batch, e.seq, e.before, e.after, e.event, e.actor, e.reason, e.detail, e.at, e.run_id,
               e.attempt_id, e.is_decision
        FROM event e JOIN job j ON j.id = e.job_id JOIN batch b ON b.id = j.batch_id
        UNION ALL
        SELECT NULL, j.key, b.name, 0, NULL, 'planned', 'job_planned', 'planner', '', '{}', j.planned_at, NULL, NULL, CAST(0 AS boolean)
        FROM job j JOIN batch b ON b.id = j.batch_id;
CREATE VIEW v_failures AS SELECT v.batch, v.model, v.reason, count(*) AS jobs, min(v.key) AS example_key, CAST(sum(v.cost_micros) AS bigint) AS cost_micros
        FROM v_jobs v WHERE v.state = 'failed' GROUP BY v.batch, v.model, v.reason;
CREATE VIEW v_cost_by_model AS SELECT b.name AS batch, j.model, count(*) AS orders,
               CAST(sum(CASE WHEN a.outcome = 'accepted' THEN coalesce(a.cost_micros, a.est_micros) END) AS bigint) AS cost_micros,
               CAST(sum(CASE WHEN a.outcome <> 'accepted' THEN coalesce(a.cost_micros, a.est_micros) END) AS bigint) AS held_micros,
               sum(CASE WHEN a.outcome = 'accepted' AND a.cost_micros IS NULL THEN 1 ELSE 0 END) AS unpriced
        FROM attempt a JOIN job j ON j.id = a.job_id JOIN batch b ON b.id = j.batch_id
        WHERE a.outcome IN ('accepted', 'ambiguous', 'unproven') GROUP BY b.name, j.model;
CREATE VIEW v_latency AS SELECT batch, model, n AS tasks, min(s) AS min_s, max(CASE WHEN r = (n + 1) / 2 THEN s END) AS median_s,
               max(CASE WHEN r = (n * 9 + 9) / 10 THEN s END) AS p90_s, max(s) AS max_s
        FROM (
            SELECT batch, model, s, row_number() OVER (PARTITION BY batch, model ORDER BY s) AS r,
                   count(*) OVER (PARTITION BY batch, model) AS n
            FROM (
                SELECT b.name AS batch, j.model, ((julianday(a.rendered_at) - julianday(CASE WHEN substr(a.task_id, 1, 5) = 'sync-' THEN a.opened_at ELSE a.settled_at END)) * 86400.0) AS s
                FROM attempt a JOIN job j ON j.id = a.job_id JOIN batch b ON b.id = j.batch_id
                WHERE a.rendered_at IS NOT NULL
            ) AS t
        ) AS ranked
        GROUP BY batch, model, n;
CREATE VIEW v_throughput_5m AS SELECT batch, bucket, sum(CASE WHEN event = 'submit_accepted' THEN 1 ELSE 0 END) AS submitted,
               sum(CASE WHEN event = 'render_finished' THEN 1 ELSE 0 END) AS rendered,
               sum(CASE WHEN event = 'images_saved' THEN 1 ELSE 0 END) AS saved,
               sum(CASE WHEN after = 'failed' AND before <> 'failed' THEN 1 ELSE 0 END) AS failed
        FROM (
            SELECT b.name AS batch, e.event, e.before, e.after,
                   substr(e.at, 1, 14) || CASE WHEN substr(e.at, 15, 1) = '0' THEN '0' ELSE '' END
                   || CAST(CAST(substr(e.at, 15, 2) AS integer) / 5 * 5 AS text) || ':00Z' AS bucket
            FROM event e JOIN job j ON j.id = e.job_id JOIN batch b ON b.id = j.batch_id
        ) AS t
        GROUP BY batch, bucket;
CREATE VIEW v_files AS SELECT b.name AS batch, j.key, f.idx, f.state, f.output_dir, f.path, f.sha256, f.bytes, f.width, f.height, f.media_type, a.task_id,
               f.created_at
        FROM artifact f JOIN job j ON j.id = f.job_id JOIN batch b ON b.id = f.batch_id JOIN attempt a ON a.id = f.attempt_id;
CREATE VIEW v_ambiguous AS SELECT b.name AS batch, j.key, j.prompt_id, j.model, a.opened_at, a.body_sha256, a.est_micros AS at_risk_micros, a.reason, a.detail
        FROM job j JOIN batch b ON b.id = j.batch_id JOIN attempt a ON a.id = j.attempt_id WHERE j.state = 'ambiguous';
COMMIT;
