// What refunds and chargebacks take from each campaign under the chosen model: gross behind, net before it.
import { format, t, word } from "../../state/settings";
import { Card } from "../../ui/card";
import { amount_number } from "../../views";
import { campaigns, model } from "./choices";

function List() {
  const { money_short, percent } = format.value;
  const rows = campaigns.value.flatMap((campaign) => {
    const row = campaign.by_model.get(model.value);
    return row && row.rank !== null ? [{ campaign, gross: amount_number(row.gross), net: amount_number(row.net) }] : [];
  });
  const most = Math.max(1, ...rows.map((row) => row.gross));
  return (
    <ul class="effect">
      {rows.slice(0, 8).map(({ campaign, gross, net }) => (
        <li key={campaign.id}>
          <span class="label">{campaign.name}</span>
          <span class="value">{money_short(net)}</span>
          <span class="lost">{gross > 0 ? `−${percent((gross - net) / gross)}` : "–"}</span>
          <span class="track">
            <span class="fill gross" style={{ transform: `scaleX(${(gross / most).toFixed(4)})` }} />
            <span class="fill net" style={{ transform: `scaleX(${Math.max(0, net / most).toFixed(4)})` }} />
          </span>
        </li>
      ))}
    </ul>
  );
}

export function RefundEffect() {
  return (
    <Card
      area="effect"
      title={`${t("refund_effect")} · ${word("model_", model.value)}`}
      views={["attribution_campaigns"]}
    >
      <List />
    </Card>
  );
}
