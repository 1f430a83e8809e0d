export { type Browser, BrowserError, launchBrowser } from "./browser";
export { type BrowserProgram, installedBrowsers, packagedChromium, packagedChromiumRunsHere } from "./chromium";
export { exportFigure, type ExportOptions } from "./export";
export { closeBrowser, FIGURE_FORMATS, type FigureFormat, renderFigure, type RenderOptions } from "./render";
