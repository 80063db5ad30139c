// Starts the page: settings, the stream, then the screen. The other screens' code is asked for when they are first opened.
import "./style/base.css";
import "./style/frame.css";
import "./style/sale.css";
import "./style/desk.css";

import { render } from "preact";
import { lazy, Suspense } from "preact/compat";

import { follow_screen } from "./state/page";
import { follow_settings, screen, t } from "./state/settings";
import { SaleScreen } from "./screens/sale";
import { Shell } from "./ui/shell";

const AttributionScreen = lazy(() => import("./screens/attribution"));
const OperationsScreen = lazy(() => import("./screens/operations"));
const DataflowScreen = lazy(() => import("./screens/dataflow"));

const shown = { sale: SaleScreen, attribution: AttributionScreen, operations: OperationsScreen, dataflow: DataflowScreen };

function Page() {
  const Screen = shown[screen.value];
  return (
    <Shell>
      <Suspense fallback={<p class="note">{t("loading")}</p>}>
        <Screen />
      </Suspense>
    </Shell>
  );
}

follow_settings();
follow_screen();
const root = document.getElementById("app");
if (root) render(<Page />, root);
