#include "transport/wire.hpp"

#include <string>
#include <vector>

#include "test/check.hpp"

using namespace estimatord;  // NOLINT

namespace {

std::string bytes(const char* text, std::size_t size) {
  return std::string(text, size);
}
#define BYTES(literal) bytes(literal, sizeof(literal) - 1)

void testRequests() {
  std::string out = "before";
  appendUsageRequest("", &out);
  CHECK_EQUAL(out, BYTES("before\x0a\x00"));

  // 300 = 0b10'0101100: the varint example of the protobuf documentation.
  out.clear();
  appendUsageRequest(std::string(300, 'u'), &out);
  CHECK_EQUAL(out, BYTES("\x0a\xac\x02") + std::string(300, 'u'));
}

void testEstimates() {
  struct Case {
    const char* name;
    std::string message;
    bool ok;
    std::string text;
  };
  const Case cases[] = {
      {"empty", "", true, ""},
      {"text",
       BYTES("\x0a\x06"
             "cpus:1"),
       true,
       "cpus:1"},
      {"a length in more bytes than it needs",
       BYTES("\x0a\x86\x80\x00"
             "cpus:1"),
       true,
       "cpus:1"},
      {"unknown varint of ten bytes",
       BYTES("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
       true,
       ""},
      {"varint that overflows",
       BYTES("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
       false,
       ""},
      {"varint of eleven bytes",
       BYTES("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00"),
       false,
       ""},
      {"varint cut short", BYTES("\x10\xff"), false, ""},
      {"field 1 as a varint is unknown", BYTES("\x08\x05"), true, ""},
      {"fixed64 cut short",
       BYTES("\x39"
             "1234567"),
       false,
       ""},
      {"fixed32 cut short",
       BYTES("\x4d"
             "123"),
       false,
       ""},
      {"length beyond the end",
       BYTES("\x0a\x07"
             "cpus:1"),
       false,
       ""},
      {"length of 2^64-1",
       BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
             "x"),
       false,
       ""},
      {"length missing", BYTES("\x0a"), false, ""},
      {"field 0", BYTES("\x02\x00"), false, ""},
      {"a tag beyond 32 bits", BYTES("\x80\x80\x80\x80\x10\x00"), false, ""},
      {"start of a group", BYTES("\x0b\x0c"), false, ""},
      {"wire type 7", BYTES("\x0f"), false, ""},
  };
  for (const Case& each : cases) {
    std::string text = "left over";
    std::string error;
    CHECK_CASE(each.name, decodeEstimate(each.message, &text, &error), each.ok);
    CHECK_CASE(each.name, text, each.text);
    CHECK_CASE(each.name, error.empty(), each.ok);
  }
}

void testCorrections() {
  std::vector<std::string> corrections;
  std::string error;
  CHECK_TRUE(decodeCorrections(
      BYTES("\x0a\x01"
            "a"
            "\x10\x01"
            "\x0a\x00"
            "\x0a\x02"
            "bc"),
      &corrections,
      &error));
  CHECK_EQUAL(corrections.size(), 3U);
  CHECK_EQUAL(
      corrections[0] + '|' + corrections[1] + '|' + corrections[2], "a||bc");

  std::string many;
  for (std::size_t i = 0; i < kMaxCorrections; ++i) {
    many += BYTES("\x0a\x00");
  }
  CHECK_TRUE(decodeCorrections(many, &corrections, &error));
  many += BYTES("\x0a\x00");
  CHECK_TRUE(!decodeCorrections(many, &corrections, &error));
  CHECK_EQUAL(error, "more than 4096 corrections");
}

}  // namespace

void testWire() {
  testRequests();
  testEstimates();
  testCorrections();
}
