#ifndef CSQLITE_H
#define CSQLITE_H

#include <sqlite3.h>

// What Swift cannot import of sqlite3.h: variadic functions and macros with casts.

// Closing the connection leaves the write-ahead log alone instead of moving it into the database.
int csqlite_keep_log_on_close(sqlite3 *db);

// Bind a copy of the bytes. A null pointer with length 0 binds the empty text or blob, never NULL.
int csqlite_bind_text(sqlite3_stmt *statement, int index, const char *bytes, sqlite3_uint64 length);
int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 length);

#endif
