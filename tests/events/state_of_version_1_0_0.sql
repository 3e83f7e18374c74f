BEGIN TRANSACTION;
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "fact" VALUES('baseline','2026-03-01T10:00:00.000000000');
INSERT INTO "fact" VALUES('cursor','2026-03-01T10:06:30.000000000');
INSERT INTO "fact" VALUES('floor_id','40');
INSERT INTO "fact" VALUES('limit','2026-02-22T10:00:00.000000000');
INSERT INTO "fact" VALUES('owner','ticket_updated None https://desk.example.com/api');
CREATE TABLE hint (ticket_id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
INSERT INTO "hint" VALUES(8,1);
INSERT INTO "hint" VALUES(11,2);
CREATE TABLE seen (
    ticket_id INTEGER PRIMARY KEY, stamp TEXT NOT NULL, status_id INTEGER, face TEXT NOT NULL, action_id INTEGER
);
INSERT INTO "seen" VALUES(7,'2026-03-01T09:59:00.000000000',1,'{"summary": 2769912155, "status_id": 1}',NULL);
INSERT INTO "seen" VALUES(8,'2026-03-01T10:05:00.123456700',2,'{"summary": 1, "status_id": 2, "same": 2}',5);
INSERT INTO "seen" VALUES(9,'2026-03-01T10:06:00.000000000',NULL,'{"same": 0}',NULL);
CREATE INDEX seen_by_stamp ON seen (stamp);
COMMIT;
