// Campaigns down, models across: the same money told five ways.
import { format, t, word } from "../../state/settings";
import { Card } from "../../ui/card";
import { Table, type Column } from "../../ui/table";
import { amount_number, type AttributionCampaign } from "../../views";
import { campaigns, figure, model, models, type Campaign, type Figure, type Model } from "./choices";

function value_of(row: AttributionCampaign | undefined, what: Figure): number | null {
  if (!row) return null;
  switch (what) {
    case "roas_net":
      return row.roas;
    case "roas_gross":
      return row.gross_roas;
    case "net_revenue":
      return amount_number(row.net);
    case "gross_revenue":
      return amount_number(row.gross);
  }
}

function text_of(value: number | null): string {
  if (value === null) return "–";
  const { ratio, money_short } = format.value;
  return figure.value.startsWith("roas") ? `${ratio(value)}×` : money_short(value);
}

function Rows() {
  const what = figure.value;
  const most = Math.max(
    1e-9,
    ...campaigns.value.flatMap((c) => models.map((name) => value_of(c.by_model.get(name), what) ?? 0)),
  );
  const cell = (name: Model) => (campaign: Campaign) => {
    const value = value_of(campaign.by_model.get(name), what);
    return (
      <span class="meter">
        {text_of(value)}
        <span class="track">
          <span class="fill" style={{ transform: `scaleX(${Math.max(0, (value ?? 0) / most).toFixed(4)})` }} />
        </span>
      </span>
    );
  };
  const chosen = (campaign: Campaign) => campaign.by_model.get(model.value);
  const columns: Column<Campaign>[] = [
    {
      key: "campaign",
      title: t("campaign"),
      cell: (campaign) => (
        <>
          {campaign.name} <small>{campaign.platform}</small>
        </>
      ),
    },
    {
      key: "spend",
      title: t("spend"),
      number: true,
      cell: (campaign) => {
        const spend = chosen(campaign)?.spend ?? null;
        return spend === null ? "–" : format.value.money_short(spend);
      },
    },
    {
      key: "conversions",
      title: t("conversions"),
      number: true,
      cell: (campaign) => format.value.count(Math.round(amount_number(chosen(campaign)?.conversions))),
    },
    ...models.map((name) => ({
      key: name,
      title: (
        <button type="button" class="link" aria-pressed={model.value === name} onClick={() => (model.value = name)}>
          {word("model_", name)}
        </button>
      ),
      number: true,
      cell: cell(name),
      tone: () => (model.value === name ? "chosen" : ""),
    })),
  ];
  return <Table columns={columns} rows={campaigns.value} row_key={(campaign) => campaign.id} label={t("models")} />;
}

export function Matrix() {
  return (
    <Card area="matrix" title={`${t("models")} · ${t(figure.value)}`} views={["attribution_campaigns"]}>
      <Rows />
    </Card>
  );
}
