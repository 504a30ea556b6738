#include "cleanup/sqlite.h"

#include <sqlite3.h>

#include <cstring>
#include <utility>

namespace hangup::cleanup {

bool SqliteError::is_corruption() const {
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

void Database::Closer::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

void Database::open(const std::filesystem::path& path, bool create) {
  error_.reset();
  handle_.reset();
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);  // even a failed one is to be closed
  if (code != SQLITE_OK) {
    fail(code);
    handle_.reset();
  }
}

void Database::fail(int code) {
  if (error_) return;
  SqliteError error{.code = code & 0xff, .message = sqlite3_errstr(code)};
  if (handle_) {
    error.message = sqlite3_errmsg(handle_.get());
    if (const int reason = sqlite3_system_errno(handle_.get());
        reason != 0 && (error.code == SQLITE_IOERR || error.code == SQLITE_CANTOPEN)) {
      error.message.append(": ").append(std::strerror(reason));
    }
  }
  error_ = std::move(error);
}

std::optional<SqliteError> Database::take_error() {
  return std::exchange(error_, std::nullopt);
}

void Database::execute(const char* sql) {
  if (!ok() || !handle_) return;
  if (const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr); code != SQLITE_OK)
    fail(code);
}

std::int64_t Database::number(const char* sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

int Database::changes() const {
  return handle_ ? sqlite3_changes(handle_.get()) : 0;
}

bool Database::has_moved() const {
  int moved = 0;
  return handle_ &&
         sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
         moved != 0;
}

void Statement::Finaliser::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Statement::Statement(Database& database, const char* sql) : database_(&database) {
  if (!database.ok() || !database.handle_) return;
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(database.handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  statement_.reset(statement);
  if (code != SQLITE_OK) database.fail(code);
}

bool Statement::usable() const {
  return statement_ && database_->ok();
}

Statement& Statement::bound(int code) {
  if (code != SQLITE_OK) database_->fail(code);
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  ++parameters_;
  return usable() ? bound(sqlite3_bind_int64(statement_.get(), parameters_, number)) : *this;
}

Statement& Statement::bind(std::optional<std::int64_t> number) {
  return number ? bind(*number) : bind_null();
}

Statement& Statement::bind(std::string_view text) {
  ++parameters_;
  return usable() ? bound(sqlite3_bind_text64(statement_.get(), parameters_,
                                              text.data() == nullptr ? "" : text.data(), text.size(),
                                              SQLITE_STATIC, SQLITE_UTF8))
                  : *this;
}

Statement& Statement::bind_blob(std::string_view bytes) {
  ++parameters_;
  return usable() ? bound(sqlite3_bind_blob64(statement_.get(), parameters_, bytes.data(), bytes.size(),
                                              SQLITE_STATIC))
                  : *this;
}

Statement& Statement::bind_null() {
  ++parameters_;
  return usable() ? bound(sqlite3_bind_null(statement_.get(), parameters_)) : *this;
}

bool Statement::step() {
  if (!usable()) {
    parameters_ = 0;
    return false;
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_->fail(code);
  reset();
  return false;
}

void Statement::run() {
  step();
  reset();
}

void Statement::reset() {
  parameters_ = 0;
  if (!statement_) return;
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::optional<std::int64_t> Statement::integer_or_null(int column) const {
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

std::string_view Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  return {bytes,
          bytes == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

}  // namespace hangup::cleanup
