#include <doctest/doctest.h>

#include "ringkernel/testing.hpp"

// Names that the library has too.
struct Offer {
  uint32_t id;
  double price;
};
struct Block {
  uint64_t number;
};
RK_MESSAGE(Offer, id, price)
RK_MESSAGE(Block, number)

namespace {

namespace port {
inline constexpr ringkernel::Port<"offer", Offer> offer;
}

struct Auction {
  using Ports = ringkernel::Ports<port::offer>;
  using Context = ringkernel::Context<Auction>;

  static void on_message(Context& ctx, const Block& block) {
    ctx.emit(port::offer, Offer{static_cast<uint32_t>(block.number), 2.5});
  }
};

}  // namespace

TEST_CASE("a message may have the name of a type of the library") {
  ringkernel::testing::Block<Auction> block;
  block.send(Block{7});
  REQUIRE(block.emitted(port::offer).size() == 1);
  CHECK(block.emitted(port::offer)[0].id == 7);
}
