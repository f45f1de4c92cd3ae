PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS alarms (
  id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, entity TEXT NOT NULL,
  state TEXT NOT NULL, priority INTEGER NOT NULL, label TEXT NOT NULL, label_zh TEXT NOT NULL,
  value REAL, "limit" REAL, raised INTEGER NOT NULL, cleared INTEGER, acknowledged INTEGER,
  acknowledged_by TEXT NOT NULL DEFAULT '', comment TEXT NOT NULL DEFAULT '',
  moved INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS one_open ON alarms (entity, rule) WHERE state <> 'normal';
CREATE INDEX IF NOT EXISTS by_key ON alarms (entity, rule, moved);
CREATE INDEX IF NOT EXISTS by_time ON alarms (raised);
CREATE TABLE IF NOT EXISTS audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, alarm INTEGER NOT NULL REFERENCES alarms (id),
  time INTEGER NOT NULL, action TEXT NOT NULL, state TEXT NOT NULL, who TEXT NOT NULL DEFAULT '',
  comment TEXT NOT NULL DEFAULT '');
