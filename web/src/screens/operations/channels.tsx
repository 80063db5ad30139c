// The quality of each channel's facts: quarantined, without an order, a region or a rate.
import { sorted_rows } from "../../state/page";
import { format, t } from "../../state/settings";
import { Card } from "../../ui/card";
import { Table, type Column } from "../../ui/table";
import type { ChannelQuality } from "../../views";

const rows = sorted_rows("channel_quality", (a, b) => a.channel.localeCompare(b.channel));

function List() {
  const { count, percent } = format.value;
  const rate = (value: number | null) => (value === null ? "–" : percent(value));
  const counted = (key: string, title: string, pick: (row: ChannelQuality) => number, warn = false) => ({
    key,
    title,
    number: true,
    cell: (row: ChannelQuality) => count(pick(row)),
    tone: (row: ChannelQuality) => (pick(row) === 0 ? "muted" : warn ? "warning" : ""),
  });
  const columns: Column<ChannelQuality>[] = [
    { key: "channel", title: t("channel"), cell: (row) => row.channel },
    counted("orders", t("orders"), (row) => row.orders),
    counted("failures", t("payment_failures"), (row) => row.payment_failures),
    counted("quarantined", t("quarantine"), (row) => row.quarantined, true),
    { key: "quarantine_rate", title: t("quarantine_rate"), number: true, cell: (row) => rate(row.quarantine_rate) },
    counted("orphans", t("orphans"), (row) => row.orphans, true),
    { key: "region", title: t("no_region"), number: true, cell: (row) => rate(row.missing_region_rate) },
    counted("missing_fx", t("missing_fx"), (row) => row.missing_fx, true),
  ];
  return <Table columns={columns} rows={rows.value} row_key={(row) => row.channel} label={t("quality")} />;
}

export function Channels() {
  return (
    <Card area="channels" title={t("quality")} views={["channel_quality"]}>
      <List />
    </Card>
  );
}
