#include "transport/frame.hpp"

#include <string>

#include "test/check.hpp"

using namespace estimatord;  // NOLINT

void testFrame() {
  std::string frame = startFrame();
  frame += std::string(258, 'm');
  CHECK_TRUE(finishFrame(&frame));
  CHECK_EQUAL(frame.substr(0, 5), std::string("\x00\x00\x00\x01\x02", 5));

  // However the pieces fall, the message is the same.
  for (std::size_t piece = 1; piece <= frame.size(); ++piece) {
    FrameReader reader(258);
    for (std::size_t at = 0; at < frame.size(); at += piece) {
      CHECK_TRUE(!reader.complete());
      const std::string part = frame.substr(at, piece);
      CHECK_TRUE(reader.append(part.data(), part.size()));
    }
    CHECK_TRUE(reader.complete());
    CHECK_EQUAL(reader.message(), std::string(258, 'm'));
    CHECK_TRUE(!reader.append("x", 1));
    CHECK_TRUE(!reader.complete());
  }

  FrameReader small(257);
  CHECK_TRUE(!small.append(frame.data(), frame.size()));
  CHECK_EQUAL(small.error(), "a message of 258 bytes, more than 257");

  FrameReader none(10);
  CHECK_TRUE(none.empty());
  CHECK_TRUE(none.append("", 0));
  CHECK_TRUE(none.empty());
  CHECK_TRUE(none.append("\0\0\0\0\0", 5));
  CHECK_TRUE(!none.empty());
  CHECK_TRUE(none.complete());
}
