// One of a few: a row of radio buttons that looks like a switch; arrow keys move, as everywhere.
import { useId } from "preact/hooks";
import type { Signal } from "@preact/signals";

interface Props<T extends string | number> {
  readonly label: string;
  readonly value: Signal<T>;
  readonly options: readonly { readonly value: T; readonly label: string }[];
}

export function Choice<T extends string | number>({ label, value, options }: Props<T>) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend>{label}</legend>
      {options.map((option) => (
        <label key={option.value}>
          <input
            type="radio"
            name={name}
            checked={value.value === option.value}
            onChange={() => (value.value = option.value)}
          />
          <span>{option.label}</span>
        </label>
      ))}
    </fieldset>
  );
}
