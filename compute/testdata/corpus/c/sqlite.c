// SQLite as a command: runs the statements of standard input, on the database of
// the first argument or in memory, and prints each row.
#include <stdio.h>
#include "sqlite3.h"

static int row(void *unused, int n, char **values, char **names) {
  for (int i = 0; i < n; i++) printf("%s%c", values[i] ? values[i] : "NULL", i + 1 < n ? '|' : '\n');
  return 0;
}

int main(int argc, char **argv) {
  static char sql[1 << 16];
  sqlite3 *db;
  char *err = NULL;
  fread(sql, 1, sizeof sql - 1, stdin);
  int rc = sqlite3_open(argc > 1 ? argv[1] : ":memory:", &db);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, sql, row, NULL, &err);
  if (rc != SQLITE_OK) printf("error %d: %s\n", rc, err ? err : sqlite3_errmsg(db));
  sqlite3_close(db);
  return rc;
}
