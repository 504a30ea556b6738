// What an outbox's file has in it, and how an older one becomes a newer one.
#pragma once

#include "cleanup/sqlite.h"

#include <cstdint>

#include <hangup/base/error.h>

namespace hangup::cleanup {

// "hang": tells our files from other SQLite databases.
inline constexpr std::int64_t application_id = 0x68616e67;

// Brings the file up to this version's schema, in one transaction. What the database fails at stays with it;
// the Error is for a file that is to be left alone: a later version's, or not an outbox at all.
Result<void> prepare_schema(Database& database, const std::filesystem::path& path);
// The same without changing anything: the file is this version's.
Result<void> check_schema(Database& database, const std::filesystem::path& path);

}  // namespace hangup::cleanup
