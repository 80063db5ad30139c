// The sale: what is placed, paid and kept, who buys what and where, what runs out, what moved afterwards.
import { Alerts } from "./alerts";
import { Corrections } from "./corrections";
import { FunnelCard } from "./funnel";
import { Heat } from "./heat";
import { Hero, Tiles } from "./hero";
import { Minutes } from "./minutes";
import { Categories, Products, Regions } from "./tops";
import { StockCard } from "./stock";

export function SaleScreen() {
  return (
    <div class="screen sale">
      <Hero />
      <Tiles />
      <Minutes />
      <FunnelCard />
      <Alerts />
      <Products />
      <Categories />
      <Regions />
      <Heat />
      <StockCard />
      <Corrections />
    </div>
  );
}
