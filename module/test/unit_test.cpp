// Runs every unit test of what needs no Mesos.
#include <iostream>

#include "test/check.hpp"

void testWire();
void testFrame();
void testStatus();
void testOffer();
void testGrace();
void testPace();
void testGuard();
void testLimiter();
void testSettings();

int main() {
  testWire();
  testFrame();
  testStatus();
  testOffer();
  testGrace();
  testPace();
  testGuard();
  testLimiter();
  testSettings();
  if (estimatord::test::failures() > 0) {
    std::cerr << estimatord::test::failures() << " checks failed\n";
    return 1;
  }
  return 0;
}
