// The dataflow: which view reads which and what each keeps, and a box for questions of one's own.
import { Graph } from "./graph";
import { Details } from "./details";
import { SqlBox } from "./sql_box";

export default function DataflowScreen() {
  return (
    <div class="screen dataflow">
      <Graph />
      <Details />
      <SqlBox />
    </div>
  );
}
