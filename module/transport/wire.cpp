#include "transport/wire.hpp"

#include <cstdint>

namespace estimatord {
namespace {

// Wire types of a field; 3 and 4 (groups) never occur in proto3.
constexpr std::uint64_t kVarint = 0;
constexpr std::uint64_t kFixed64 = 1;
constexpr std::uint64_t kLengthDelimited = 2;
constexpr std::uint64_t kFixed32 = 5;

constexpr std::uint64_t kFieldOne = 1;

// A cursor over the bytes of a message. Each read either succeeds whole or
// leaves the message refused; nothing is read past the end.
class Reader {
 public:
  explicit Reader(const std::string& message)
    : at_(message.data()), end_(message.data() + message.size()) {}

  bool atEnd() const { return at_ == end_; }

  bool varint(std::uint64_t* value) {
    std::uint64_t result = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) {
        return false;
      }
      const std::uint64_t byte = static_cast<unsigned char>(*at_++);
      // The tenth byte has room for one bit of a 64-bit value.
      if (shift == 63 && byte > 1) {
        return false;
      }
      result |= (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        *value = result;
        return true;
      }
    }
    return false;
  }

  bool bytes(std::uint64_t size, const char** start) {
    if (size > static_cast<std::uint64_t>(end_ - at_)) {
      return false;
    }
    *start = at_;
    at_ += size;
    return true;
  }

 private:
  const char* at_;
  const char* const end_;
};

// Calls take(start, size) for each length-delimited field 1, in order; take
// returns false to refuse the message.
template <typename Take>
bool eachFieldOne(const std::string& message, std::string* error, Take take) {
  Reader reader(message);
  while (!reader.atEnd()) {
    std::uint64_t tag = 0;
    // A tag is a 32-bit number: field number and three bits of wire type.
    if (!reader.varint(&tag) || tag > UINT32_MAX || (tag >> 3) == 0) {
      *error = "bad field tag";
      return false;
    }

    const char* start = nullptr;
    std::uint64_t size = 0;
    bool whole = false;
    switch (tag & 7) {
      case kVarint:
        whole = reader.varint(&size);
        break;
      case kFixed64:
        whole = reader.bytes(8, &start);
        break;
      case kFixed32:
        whole = reader.bytes(4, &start);
        break;
      case kLengthDelimited:
        whole = reader.varint(&size) && reader.bytes(size, &start);
        if (whole && (tag >> 3) == kFieldOne &&
            !take(start, static_cast<std::size_t>(size))) {
          return false;
        }
        break;
      default:
        *error = "unknown wire type";
        return false;
    }
    if (!whole) {
      *error = "truncated field";
      return false;
    }
  }
  return true;
}

}  // namespace

void appendUsageRequest(const std::string& usage, std::string* out) {
  out->push_back(static_cast<char>((kFieldOne << 3) | kLengthDelimited));
  std::uint64_t size = usage.size();
  while (size >= 0x80) {
    out->push_back(static_cast<char>((size & 0x7f) | 0x80));
    size >>= 7;
  }
  out->push_back(static_cast<char>(size));
  out->append(usage);
}

bool decodeEstimate(
    const std::string& message, std::string* text, std::string* error) {
  text->clear();
  return eachFieldOne(message, error, [&](const char* start, std::size_t size) {
    text->assign(start, size);
    return true;
  });
}

bool decodeCorrections(
    const std::string& message,
    std::vector<std::string>* corrections,
    std::string* error) {
  corrections->clear();
  return eachFieldOne(message, error, [&](const char* start, std::size_t size) {
    if (corrections->size() == kMaxCorrections) {
      *error = "more than " + std::to_string(kMaxCorrections) + " corrections";
      return false;
    }
    corrections->emplace_back(start, size);
    return true;
  });
}

}  // namespace estimatord
