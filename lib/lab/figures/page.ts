/**
 * What runs inside the browser's page, as the text of a script: `draw(figure, options)` answers with a PNG's data URL or
 * an SVG's text, `lay(svg, title, size)` makes the page hold one drawing for printing.
 *
 * The same figure always gives the same bytes. Plotly names clip paths by random numbers that no other drawing in the
 * page has: they come from a generator that starts anew with each figure, in an empty page. In which order it sets an
 * element's attributes depends on what it has drawn before: they are sorted.
 */
export const PAGE_SCRIPT = `
const restartRandom = () => {
  let state = 1;
  Math.random = () => (state = (state * 48271) % 2147483647) / 2147483647;
};
const sortAttributes = (svg) => {
  const drawing = new DOMParser().parseFromString(svg, "image/svg+xml");
  for (const element of drawing.querySelectorAll("*")) {
    const attributes = [...element.attributes].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const attribute of attributes) element.removeAttributeNode(attribute);
    for (const attribute of attributes) element.setAttributeNode(attribute);
  }
  return new XMLSerializer().serializeToString(drawing);
};
globalThis.draw = async (figure, options) => {
  document.body.replaceChildren();
  await Promise.all(["", "bold ", "italic "].map((face) => document.fonts.load(face + "12px 'Open Sans'")));
  restartRandom();
  const url = await Plotly.toImage(figure, options);
  return options.format === "svg" ? sortAttributes(decodeURIComponent(url.slice(url.indexOf(",") + 1))) : url;
};
globalThis.lay = (svg, title, size) => {
  document.title = title;
  document.getElementById("sheet").textContent = "@page{size:" + size.width + "px " + size.height + "px;margin:0}";
  document.body.innerHTML = svg;
};
`;

/** The page: no margins, and the given fonts (base64 of TrueType files) under the family name of the figures' style. */
export function pageMarkup(fonts: readonly { readonly descriptors: string; readonly base64: string }[]): string {
  const faces = fonts.map(
    ({ descriptors, base64 }) =>
      `@font-face{font-family:"Open Sans";${descriptors};src:url(data:font/ttf;base64,${base64})}`,
  );
  return (
    `<!doctype html><html><head><style>${faces.join("")}body{margin:0}svg{display:block}</style>` +
    `<style id="sheet"></style></head><body></body></html>`
  );
}
