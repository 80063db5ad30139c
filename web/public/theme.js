// Sets the theme before the first paint, so that nothing flashes. Not a module: it must run before the style sheet is applied.
(() => {
  const saved = localStorage.getItem("trueup.theme");
  const light = saved ? saved === "light" : matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = light ? "light" : "dark";
})();
