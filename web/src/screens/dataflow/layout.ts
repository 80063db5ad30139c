// Places the graph of views in columns: a view stands right of everything it reads, rows keep crossing lines few.
// A simple layered layout (Sugiyama, Tagawa, Toda 1981): longest path for columns, a few barycentre sweeps for rows.

export interface Place {
  readonly name: string;
  readonly column: number;
  readonly row: number;
}

export interface Layout {
  readonly places: ReadonlyMap<string, Place>;
  readonly edges: readonly (readonly [from: string, to: string])[];
  readonly columns: number;
  readonly rows: number;
}

const sweeps = 8;

/**
 * Leaves out what is read through something else that is read too: the server also names the inputs of inlined views.
 * Names that are not keys are left out as well.
 */
export function direct(reads: ReadonlyMap<string, readonly string[]>): Map<string, readonly string[]> {
  const below = new Map<string, ReadonlySet<string>>();
  const all_below = (name: string): ReadonlySet<string> => {
    const known = below.get(name);
    if (known) return known;
    const found = new Set<string>();
    // Set first: views that read each other must end.
    below.set(name, found);
    for (const input of reads.get(name) ?? []) {
      found.add(input);
      for (const further of all_below(input)) found.add(further);
    }
    return found;
  };
  return new Map(
    [...reads].map(([name, inputs]) => {
      const own = inputs.filter((input) => reads.has(input));
      return [name, own.filter((input) => !own.some((other) => other !== input && all_below(other).has(input)))];
    }),
  );
}

/** `reads` says for each name what it reads; names that are not keys are left out. */
export function layout(reads: ReadonlyMap<string, readonly string[]>): Layout {
  const column_of = new Map<string, number>();
  const column = (name: string, path: ReadonlySet<string>): number => {
    const known = column_of.get(name);
    if (known !== undefined) return known;
    // Views cannot read themselves; a server that says so gets a picture, not a loop.
    if (path.has(name)) return 0;
    const on = new Set(path).add(name);
    const inputs = (reads.get(name) ?? []).filter((input) => reads.has(input));
    const found = inputs.length === 0 ? 0 : 1 + Math.max(...inputs.map((input) => column(input, on)));
    column_of.set(name, found);
    return found;
  };
  const names = [...reads.keys()].sort();
  for (const name of names) column(name, new Set());
  const edges = names.flatMap((to) =>
    (reads.get(to) ?? []).filter((from) => reads.has(from)).map((from) => [from, to] as const),
  );
  const columns: string[][] = Array.from({ length: 1 + Math.max(0, ...column_of.values()) }, () => []);
  for (const name of names) columns[column_of.get(name) ?? 0]?.push(name);
  const row_of = new Map<string, number>();
  const number = (list: readonly string[]) => list.forEach((name, i) => row_of.set(name, i / Math.max(1, list.length)));
  columns.forEach(number);
  const neighbours = (name: string, side: 0 | 1) =>
    edges.filter((edge) => edge[1 - side] === name).map((edge) => row_of.get(edge[side]) ?? 0);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const side = sweep % 2 === 0 ? 0 : 1;
    for (const list of side === 0 ? columns : [...columns].reverse()) {
      const middle = new Map(
        list.map((name) => {
          const rows = neighbours(name, side);
          const mean = rows.reduce((sum, row) => sum + row, 0) / rows.length;
          return [name, rows.length === 0 ? (row_of.get(name) ?? 0) : mean];
        }),
      );
      list.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0) || a.localeCompare(b));
      number(list);
    }
  }
  const rows = Math.max(1, ...columns.map((list) => list.length));
  const places = new Map<string, Place>();
  columns.forEach((list, c) =>
    list.forEach((name, i) => {
      // Short columns are centred.
      places.set(name, { name, column: c, row: i + (rows - list.length) / 2 });
    }),
  );
  return { places, edges, columns: columns.length, rows };
}
