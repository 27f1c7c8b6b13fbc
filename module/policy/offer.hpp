// The daemon's resource text, read with distrust: whatever it holds, the agent
// is only ever given plain non-negative amounts of the kinds allowed.
#ifndef ESTIMATORD_POLICY_OFFER_HPP
#define ESTIMATORD_POLICY_OFFER_HPP

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace estimatord {

// Amounts by kind, in thousandths of the kind's unit: the three decimals that
// Mesos keeps of a scalar (src/common/values.cpp:49 of 1.12).
using Amounts = std::map<std::string, std::int64_t>;

// Largest amount that is believed, in thousandths: a thousand million.
constexpr std::int64_t kMaxAmount = 1000000000000;

struct Offer {
  Amounts amounts;
  // What was dropped and why, one line each.
  std::vector<std::string> dropped;
};

// Reads "cpus:1.5;mem:512". An entry that is anything but
// name:digits[.digits], of a kind that is not allowed, too large, or there
// twice is dropped; nothing is rounded up.
Offer parseOffer(const std::string& text, const std::set<std::string>& kinds);

// "1.500": what Mesos reads back as the same amount.
std::string formatAmount(std::int64_t thousandths);

}  // namespace estimatord

#endif  // ESTIMATORD_POLICY_OFFER_HPP
