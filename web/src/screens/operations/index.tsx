// Operations: what comes in and how well, what waits in quarantine, what the bank says, and the story of one order.
import { Channels } from "./channels";
import { Errors } from "./errors";
import { Lookup } from "./lookup";
import { Quarantine } from "./quarantine";
import { Reconciliation } from "./reconciliation";
import { Sources } from "./sources";

export default function OperationsScreen() {
  return (
    <div class="screen operations">
      <Sources />
      <Channels />
      <Lookup />
      <Quarantine />
      <Reconciliation />
      <Errors />
    </div>
  );
}
