// What sells and where: products, categories and regions by what was placed.
import { computed, type ReadonlySignal } from "@preact/signals";

import { sorted_rows } from "../../state/page";
import { format, known, t } from "../../state/settings";
import { Bars, type Bar } from "../../ui/bars";
import { Card } from "../../ui/card";
import { amount_number, type Amount } from "../../views";

interface Ranked {
  readonly rank: number;
  readonly placed: Amount;
  readonly units: number;
}

function bars<T extends Ranked>(
  rows: ReadonlySignal<readonly T[]>,
  key: (row: T) => string,
  label: (row: T) => string,
): ReadonlySignal<readonly Bar[]> {
  return computed(() => {
    const most = rows.value.reduce((max, row) => Math.max(max, amount_number(row.placed)), 1);
    return rows.value.map((row) => ({
      key: key(row),
      label: label(row),
      note: format.value.count(row.units),
      value: format.value.money_short(row.placed),
      share: amount_number(row.placed) / most,
    }));
  });
}

const by_rank = (a: Ranked, b: Ranked) => a.rank - b.rank;
const products = bars(
  sorted_rows("sale_top_products", by_rank),
  (row) => row.product_id,
  (row) => row.name ?? row.product_id,
);
const categories = bars(
  sorted_rows("sale_top_categories", by_rank),
  (row) => row.category ?? "",
  (row) => known(row.category),
);
const regions = bars(
  sorted_rows("sale_regions", by_rank),
  (row) => row.region ?? "",
  (row) => known(row.region),
);

export function Products() {
  return (
    <Card area="products" title={t("top_products")} views={["sale_top_products"]}>
      <Bars bars={products.value} slots={8} />
    </Card>
  );
}

export function Categories() {
  return (
    <Card area="categories" title={t("top_categories")} views={["sale_top_categories"]}>
      <Bars bars={categories.value} slots={4} />
    </Card>
  );
}

export function Regions() {
  return (
    <Card area="regions" title={t("regions")} views={["sale_regions"]}>
      <Bars bars={regions.value} slots={4} />
    </Card>
  );
}
