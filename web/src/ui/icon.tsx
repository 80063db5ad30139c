// The page's few icons, drawn in the colour of the text around them.

const paths = {
  logo: "M3 16.5 9 10l4 4 8-9M3 20.5h18",
  sale: "M4 19V9m5 10V5m5 14v-7m5 7V8",
  attribution: "M5 5h4v4H5zM15 15h4v4h-4zM15 5h4v4h-4zM9 7h6M17 9v6M9 9l6 6",
  operations: "M4 7h10M18 7h2M4 12h3M11 12h9M4 17h12M20 17h0M16 5v4M9 10v4M18 15v4",
  dataflow: "M4 6h5v4H4zM15 4h5v4h-5zM15 15h5v4h-5zM9 8h3v9h3M12 8V6h3",
  theme: "M12 4a8 8 0 1 0 8 8 6 6 0 0 1-8-8z",
  big: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  warning: "M12 4 2.5 20h19zM12 10v5M12 17.6v.4",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 7.6v.4",
  calm: "M4 12.5 9.5 18 20 7",
} as const;

export function Icon({ name }: { name: keyof typeof paths }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
