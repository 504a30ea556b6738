// A SQLite database and its statements, owned.
//
// Errors: the first one stays with the Database, and until it is taken everything else does nothing and finds
// nothing. So a sequence, a transaction above all, is checked once, at its end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace hangup::cleanup {

struct SqliteError {
  int code = 0;         // SQLITE_FULL, ...
  std::string message;  // with the system's reason where there is one
  bool is_corruption() const;
};

// Threading: one thread at a time.
class Database {
 public:
  Database() = default;

  void open(const std::filesystem::path& path, bool create);
  void close() { handle_.reset(); }
  bool is_open() const { return handle_ != nullptr; }

  void execute(const char* sql);
  // The first column of the first row; 0 without one.
  std::int64_t number(const char* sql);
  int changes() const;
  // The file at its path is no longer the one that is open, or there is none.
  bool has_moved() const;

  bool ok() const { return !error_; }
  std::optional<SqliteError> take_error();

 private:
  friend class Statement;
  struct Closer {
    void operator()(sqlite3* handle) const;
  };
  void fail(int code);

  std::unique_ptr<sqlite3, Closer> handle_;
  std::optional<SqliteError> error_;
};

// Goes before its database.
class Statement {
 public:
  Statement() = default;
  Statement(Database& database, const char* sql);

  // Parameters, from 1 on in the order of the calls. Text and blobs are needed until the statement has run.
  Statement& bind(std::int64_t number);
  Statement& bind(std::optional<std::int64_t> number);
  Statement& bind(std::string_view text);
  Statement& bind_blob(std::string_view bytes);
  Statement& bind_null();
  // True with a row. After the last one, or an error, it is ready for new parameters.
  bool step();
  // For what gives no rows.
  void run();
  // Before the last row.
  void reset();

  // Of the row; columns count from 0. Views are good until the next step.
  std::int64_t integer(int column) const;
  std::optional<std::int64_t> integer_or_null(int column) const;
  std::string_view text(int column) const;

 private:
  struct Finaliser {
    void operator()(sqlite3_stmt* statement) const;
  };
  bool usable() const;
  Statement& bound(int code);

  Database* database_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finaliser> statement_;
  int parameters_ = 0;
};

}  // namespace hangup::cleanup
