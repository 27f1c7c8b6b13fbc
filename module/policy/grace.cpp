#include "policy/grace.hpp"

#include <algorithm>

namespace estimatord {
namespace {

std::int64_t amountOf(const Amounts& amounts, const std::string& kind) {
  const auto at = amounts.find(kind);
  return at == amounts.end() ? 0 : at->second;
}

}  // namespace

void Grace::remember(
    Clock::time_point now, const Amounts& free, const Amounts& revocable) {
  known_ = true;
  at_ = now;
  free_ = free;
  revocable_ = revocable;
}

void Grace::forget() {
  known_ = false;
}

Amounts Grace::standIn(Clock::time_point now, const Amounts& revocable) const {
  Amounts result;
  if (!known_ || length_ <= milliseconds::zero() || now - at_ > length_) {
    return result;
  }
  for (const auto& each : free_) {
    const std::int64_t launched =
        amountOf(revocable, each.first) - amountOf(revocable_, each.first);
    const std::int64_t left = each.second - std::max<std::int64_t>(0, launched);
    if (left > 0) {
      result[each.first] = left;
    }
  }
  return result;
}

}  // namespace estimatord
