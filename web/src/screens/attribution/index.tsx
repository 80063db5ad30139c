// Attribution: what each campaign brought under each model, side by side; how the ranking turns; what refunds take away.
import { t, word } from "../../state/settings";
import { Choice } from "../../ui/choice";
import { figure, figures, look_back, look_backs, model, models } from "./choices";
import { Days } from "./days";
import { Matrix } from "./matrix";
import { Ranks } from "./ranks";
import { RefundEffect } from "./refunds";

export default function AttributionScreen() {
  return (
    <div class="screen attribution">
      <div class="choices" style={{ gridArea: "choices" }}>
        <Choice
          label={t("model")}
          value={model}
          options={models.map((value) => ({ value, label: word("model_", value) }))}
        />
        <Choice
          label={t("look_back")}
          value={look_back}
          options={look_backs.value.map((value) => ({ value, label: t("days", { n: String(value) }) }))}
        />
        <Choice label={t("figure")} value={figure} options={figures.map((value) => ({ value, label: t(value) }))} />
      </div>
      <Matrix />
      <Ranks />
      <RefundEffect />
      <Days />
    </div>
  );
}
