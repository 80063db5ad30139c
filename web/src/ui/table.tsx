// A table of rows with typed cells: numbers to the right, the head stays, the body scrolls in its card.
import type { ComponentChildren } from "preact";

export interface Column<T> {
  readonly key: string;
  readonly title: ComponentChildren;
  readonly cell: (row: T) => ComponentChildren;
  readonly number?: boolean;
  readonly tone?: (row: T) => string;
}

interface Props<T> {
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly row_key: (row: T, index: number) => string;
  readonly label: string;
  readonly chosen?: string | undefined;
  readonly choose?: (row: T) => void;
}

export function Table<T>({ columns, rows, row_key, label, chosen, choose }: Props<T>) {
  return (
    // The region scrolls, so the keyboard must be able to reach it.
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table class={choose ? "choosable" : ""}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.key} scope="col" class={column.number ? "number" : ""}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => {
            const key = row_key(row, index);
            return (
              <tr key={key} class={key === chosen ? "chosen" : ""} onClick={choose && (() => choose(row))}>
                {columns.map((column, i) => (
                  <td key={column.key} class={`${column.number ? "number" : ""} ${column.tone?.(row) ?? ""}`}>
                    {i === 0 && choose ? (
                      <button type="button" class="link" aria-pressed={key === chosen}>
                        {column.cell(row)}
                      </button>
                    ) : (
                      column.cell(row)
                    )}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
