#include "policy/offer.hpp"

#include <set>
#include <string>

#include "test/check.hpp"

using namespace estimatord;  // NOLINT

namespace {

std::string print(const Amounts& amounts) {
  std::string result;
  for (const auto& each : amounts) {
    result += each.first + '=' + std::to_string(each.second) + ' ';
  }
  return result;
}

}  // namespace

void testOffer() {
  struct Case {
    const char* name;
    std::string text;
    const char* amounts;
    std::size_t dropped;
  };
  const Case cases[] = {
      {"nothing", "", "", 0},
      {"both kinds", "cpus:1.5;mem:512", "cpus=1500 mem=512000 ", 0},
      {"spaces and empty entries", " ; cpus : 2 ;; ", "cpus=2000 ", 0},
      {"three decimals", "cpus:0.001", "cpus=1 ", 0},
      {"more decimals are cut, not rounded",
       "cpus:0.0019999999999999999999999",
       "cpus=1 ",
       0},
      {"zero is nothing", "cpus:0;mem:0.0", "", 0},
      {"negative", "cpus:-1;mem:1", "mem=1000 ", 1},
      {"signed", "cpus:+1", "", 1},
      {"not a number", "cpus:nan", "", 1},
      {"infinite", "cpus:inf", "", 1},
      {"an exponent", "cpus:1e3", "", 1},
      {"hexadecimal", "cpus:0x10", "", 1},
      {"a bare point", "cpus:.5", "", 1},
      {"an open point", "cpus:5.", "", 1},
      {"two points", "cpus:1.2.3", "", 1},
      {"empty amount", "cpus:", "", 1},
      {"no colon", "cpus", "", 1},
      {"another kind", "gpus:1;cpus:1", "cpus=1000 ", 1},
      {"a kind in other letters", "CPUS:1", "", 1},
      {"a role", "cpus(web):1", "", 1},
      {"a revocable marker", "cpus{REV}:1", "", 1},
      {"ranges", "ports:[1-2]", "", 1},
      {"a range as cpus", "cpus:[1-2]", "", 1},
      {"a set as cpus", "cpus:{1}", "", 1},
      {"JSON", "[{\"name\":\"cpus\"}]", "", 1},
      {"twice the same kind", "cpus:1;mem:1;cpus:1", "mem=1000 ", 1},
      {"three times the same kind", "cpus:1;cpus:1;cpus:1", "", 2},
      {"the largest amount", "cpus:1000000000", "cpus=1000000000000 ", 0},
      {"more than the largest", "cpus:1000000000.001", "", 1},
      {"far more than 64 bits", "cpus:99999999999999999999999999", "", 1},
      {"a nul byte", std::string("cpus:1\0", 7), "", 1},
  };
  for (const Case& each : cases) {
    const Offer offer = parseOffer(each.text, {"cpus", "mem"});
    CHECK_CASE(each.name, print(offer.amounts), each.amounts);
    CHECK_CASE(each.name, offer.dropped.size(), each.dropped);
  }

  CHECK_EQUAL(
      print(parseOffer("cpus:1;mem:1", {"cpus"}).amounts), "cpus=1000 ");

  // A flood of bad entries is a few lines, and no byte of it steers the log.
  std::string flood;
  for (int i = 0; i < 100; ++i) {
    flood += "bad\n\x1b;";
  }
  const Offer offer = parseOffer(flood, {"cpus"});
  CHECK_EQUAL(offer.dropped.size(), 9U);
  CHECK_EQUAL(offer.dropped.front(), "\"bad??\": not name:amount");
  CHECK_EQUAL(offer.dropped.back(), "and 92 more");

  CHECK_EQUAL(formatAmount(1), "0.001");
  CHECK_EQUAL(formatAmount(1500), "1.500");
  CHECK_EQUAL(formatAmount(kMaxAmount), "1000000000.000");
}
