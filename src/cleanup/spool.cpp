#include "cleanup/spool.h"

#include "cleanup/bytes.h"
#include "cleanup/checksum.h"
#include "cleanup/delivery_codec.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

namespace hangup::cleanup {
namespace {

// Only while the store can't be written does a file grow at all.
constexpr std::uint64_t most_bytes = 64 * 1024 * 1024;
// A record is the length of what follows the checksum, the checksum, and the deliveries, each with its
// length.
constexpr std::size_t head_bytes = 2 * sizeof(std::uint32_t);

std::vector<Delivery> decode_exchange(std::string_view bytes) {
  std::vector<Delivery> deliveries;
  ByteReader reader(bytes);
  while (reader.ok() && !reader.at_end()) {
    auto delivery = decode_delivery(reader.string());
    if (!delivery) return {};
    deliveries.push_back(*std::move(delivery));
  }
  return deliveries;
}

// Returns how many bytes are whole records.
std::uint64_t read_records(std::string_view bytes, Spool::Found& found) {
  const std::size_t all = bytes.size();
  while (!bytes.empty()) {
    ByteReader reader(bytes);
    const auto size = reader.number<std::uint32_t>();
    const auto expected = reader.number<std::uint32_t>();
    if (!reader.ok() || size > bytes.size() - head_bytes) break;
    const std::string_view record = bytes.substr(head_bytes, size);
    if (checksum(record) != expected) break;
    auto exchange = decode_exchange(record);
    if (exchange.empty()) break;
    found.exchanges.push_back(std::move(exchange));
    bytes.remove_prefix(head_bytes + size);
  }
  found.torn += bytes.size();
  return all - bytes.size();
}

}  // namespace

Spool::Spool(const std::filesystem::path& path) {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    files_[i].path = path;
    files_[i].path += fmt::format(".spool-{}", i);
  }
}

Spool::Found Spool::read() {
  Found found;
  for (File& file : files_) open(file, found);
  return found;
}

Spool::Found Spool::try_again() {
  trouble_.clear();
  Found found = read();
  const File& file = files_[active_];
  if (!trouble_.empty()) return found;
  if (file.size >= most_bytes) {
    fail(file, "is full:", EFBIG);
  } else if (const auto end = static_cast<off_t>(file.size);
             ::pwrite(file.fd.get(), "", 1, end) != 1 || ::ftruncate(file.fd.get(), end) != 0) {
    fail(file, "can't write", errno);
  }
  return found;
}

bool Spool::append(const std::vector<Delivery>& deliveries) {
  record_.assign(head_bytes, '\0');
  ByteWriter writer(record_);
  for (const Delivery& delivery : deliveries) {
    const std::size_t start = record_.size();
    writer.number(std::uint32_t{0});
    encode(record_, delivery);
    const auto size = static_cast<std::uint32_t>(record_.size() - start - sizeof(std::uint32_t));
    std::memcpy(record_.data() + start, &size, sizeof size);
  }
  const auto size = static_cast<std::uint32_t>(record_.size() - head_bytes);
  const std::uint32_t sum = checksum(std::string_view(record_).substr(head_bytes));
  std::memcpy(record_.data(), &size, sizeof size);
  std::memcpy(record_.data() + sizeof size, &sum, sizeof sum);
  return write(files_[active_]);
}

bool Spool::open(File& file, Found& found) {
  if (file.fd) return true;
  net::Fd fd(::open(file.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return fail(file, "can't open", errno);
  if (!read(file, fd.get(), found)) return false;
  file.fd = std::move(fd);
  return true;
}

bool Spool::read(File& file, int fd, Found& found) {
  std::string bytes;
  std::array<char, 64 * 1024> part;
  ssize_t size = 0;
  while ((size = ::pread(fd, part.data(), part.size(), static_cast<off_t>(bytes.size()))) > 0)
    bytes.append(part.data(), static_cast<std::size_t>(size));
  if (size < 0) return fail(file, "can't read", errno);
  Found here;
  file.size = read_records(bytes, here);
  // A torn record would hide what is appended after it.
  if (file.size != bytes.size() && ::ftruncate(fd, static_cast<off_t>(file.size)) != 0)
    return fail(file, "can't shorten", errno);
  std::ranges::move(here.exchanges, std::back_inserter(found.exchanges));
  found.torn += here.torn;
  return true;
}

bool Spool::write(File& file) {
  if (!file.fd) return fail(file, "has not been read yet:", EAGAIN);
  if (file.size + record_.size() > most_bytes) return fail(file, "is full:", EFBIG);
  const ssize_t written =
      ::pwrite(file.fd.get(), record_.data(), record_.size(), static_cast<off_t>(file.size));
  if (written != static_cast<ssize_t>(record_.size())) {
    const int error = written < 0 ? errno : ENOSPC;
    // The next record takes the place of what was written of this one.
    return fail(file, "can't write", error);
  }
  file.size += record_.size();
  trouble_.clear();
  return true;
}

bool Spool::fail(const File& file, const char* what, int error) {
  trouble_ = fmt::format("{} {}: {}", what, file.path.string(), std::strerror(error));
  return false;
}

void Spool::flip() {
  if (files_[1 - active_].size == 0) active_ = 1 - active_;
}

void Spool::clear() {
  commit_done();
  flip();
  commit_done();
}

void Spool::commit_done() {
  File& file = files_[1 - active_];
  if (file.size == 0 || !file.fd) return;
  // A file that can't be emptied is read once more after a crash, and its deliveries found to be known.
  if (::ftruncate(file.fd.get(), 0) == 0) file.size = 0;
}

}  // namespace hangup::cleanup
