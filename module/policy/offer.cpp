#include "policy/offer.hpp"

#include <cstddef>

namespace estimatord {
namespace {

// Most of an entry that a warning quotes.
constexpr std::size_t kQuoted = 60;

// Most entries that are worth a line of their own.
constexpr std::size_t kMostDropped = 8;

bool isDigit(char c) {
  return c >= '0' && c <= '9';
}

std::string quote(const std::string& entry) {
  std::string result = "\"";
  for (const char c : entry.substr(0, kQuoted)) {
    // Nothing that breaks a line of the log or steers a terminal.
    result.push_back(c >= ' ' && c <= '~' ? c : '?');
  }
  return result + (entry.size() > kQuoted ? "...\"" : "\"");
}

std::string trim(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) {
    return "";
  }
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// Reads digits[.digits] as thousandths; further decimals are cut off, so that
// the amount is never more than what was written.
bool parseAmount(const std::string& text, std::int64_t* thousandths) {
  std::size_t at = 0;
  std::int64_t value = 0;
  for (; at < text.size() && isDigit(text[at]); ++at) {
    value = value * 10 + (text[at] - '0');
    if (value > kMaxAmount / 1000) {
      return false;
    }
  }
  if (at == 0) {
    return false;
  }
  value *= 1000;
  if (at < text.size()) {
    if (text[at] != '.' || at + 1 == text.size()) {
      return false;
    }
    std::int64_t unit = 100;
    for (++at; at < text.size(); ++at, unit /= 10) {
      if (!isDigit(text[at])) {
        return false;
      }
      value += unit * (text[at] - '0');
    }
  }
  if (value > kMaxAmount) {
    return false;
  }
  *thousandths = value;
  return true;
}

}  // namespace

Offer parseOffer(const std::string& text, const std::set<std::string>& kinds) {
  Offer offer;
  std::set<std::string> seen;
  std::size_t more = 0;
  const auto drop = [&](const std::string& entry, const std::string& why) {
    if (offer.dropped.size() == kMostDropped) {
      ++more;
      return;
    }
    offer.dropped.push_back(quote(entry) + ": " + why);
  };

  std::size_t start = 0;
  while (start <= text.size()) {
    std::size_t end = text.find(';', start);
    if (end == std::string::npos) {
      end = text.size();
    }
    const std::string entry = trim(text.substr(start, end - start));
    start = end + 1;
    if (entry.empty()) {
      continue;
    }

    const std::size_t colon = entry.find(':');
    if (colon == std::string::npos) {
      drop(entry, "not name:amount");
      continue;
    }
    const std::string kind = trim(entry.substr(0, colon));
    std::int64_t amount = 0;
    if (kinds.count(kind) == 0) {
      drop(entry, "not a kind that is allowed");
    } else if (!seen.insert(kind).second) {
      // Which of the two is meant is anybody's guess: neither is believed.
      offer.amounts.erase(kind);
      drop(entry, "there twice");
    } else if (!parseAmount(trim(entry.substr(colon + 1)), &amount)) {
      drop(entry, "not a plain amount");
    } else if (amount > 0) {
      offer.amounts[kind] = amount;
    }
  }
  if (more > 0) {
    offer.dropped.push_back("and " + std::to_string(more) + " more");
  }
  return offer;
}

std::string formatAmount(std::int64_t thousandths) {
  std::string decimals = std::to_string(thousandths % 1000);
  decimals.insert(0, 3 - decimals.size(), '0');
  return std::to_string(thousandths / 1000) + '.' + decimals;
}

}  // namespace estimatord
