PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT, tag TEXT NOT NULL, time INTEGER NOT NULL,
  entered INTEGER NOT NULL, value REAL, who TEXT NOT NULL, comment TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS once
  ON entries (tag, time, entered, ifnull(value, 'withdrawn'), who, comment);
CREATE TRIGGER IF NOT EXISTS no_change BEFORE UPDATE ON entries
  BEGIN SELECT raise(ABORT, 'entries are only added to'); END;
CREATE TRIGGER IF NOT EXISTS no_loss BEFORE DELETE ON entries
  BEGIN SELECT raise(ABORT, 'entries are only added to'); END;
CREATE TABLE IF NOT EXISTS booked (one INTEGER PRIMARY KEY CHECK (one = 1), id INTEGER NOT NULL);
