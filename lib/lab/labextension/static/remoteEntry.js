/**
 * A JupyterLab renderer for plotly figures: the module-federation container that JupyterLab loads, written by hand, so that
 * there is nothing to build. It is marked as safe, so figures of a notebook that is not trusted are drawn as well, and unlike
 * plotly's own renderer it follows `update_display_data`.
 */
(() => {
  const MIME = "application/vnd.plotly.v1+json";
  const DEFAULT_HEIGHT = 450;
  const folder = document.currentScript.src.replace(/[^/]*$/, "");

  let sharedModules;
  let plotly;

  /** plotly.js, set up beside this file; loaded with the first figure. */
  function loadPlotly() {
    plotly ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${folder}plotly.min.js`;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("plotly.min.js did not load; run npm run setup"));
      document.head.append(script);
    });
    return plotly;
  }

  /** Colours of JupyterLab's theme for what the figure leaves open: paper, text, lines. */
  function themed(layout) {
    if (layout.paper_bgcolor !== undefined || layout.template?.layout?.paper_bgcolor !== undefined) return layout;
    const style = getComputedStyle(document.body);
    const color = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: color("--jp-border-color2"), zerolinecolor: color("--jp-border-color1") };
    const axes = Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
    const colored = Object.fromEntries(axes.map((key) => [key, { ...axis, ...layout[key] }]));
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis,
      yaxis: axis,
      ...layout,
      ...colored,
      font: { color: color("--jp-ui-font-color1"), ...layout.font },
    };
  }

  /** Calls `redraw` when JupyterLab's theme changes; returns what ends that. */
  function onThemeChange(redraw) {
    const observer = new MutationObserver(redraw);
    observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name"] });
    return () => observer.disconnect();
  }

  async function mimeExtension() {
    const [version] = Object.values(sharedModules["@lumino/widgets"]);
    const { Widget } = (await version.get())();

    class Figure extends Widget {
      #drawing = Promise.resolve();
      #figure;
      #plotly;
      #stopFollowing = onThemeChange(() => this.#draw());

      /** Called by JupyterLab with the output, and again with each update of it. */
      renderModel(model) {
        this.#figure = model.data[MIME];
        return this.#draw();
      }

      /** Drawings follow one another; each draws the figure as it is by then. */
      #draw() {
        this.#drawing = this.#drawing
          .then(() => this.#drawNow())
          .catch((error) => {
            this.node.textContent = `plotly: ${error.message}`;
          });
        return this.#drawing;
      }

      async #drawNow() {
        const library = await loadPlotly();
        if (this.isDisposed || this.#figure === undefined) return;
        const { data, layout = {}, config } = this.#figure;
        this.node.style.height = `${layout.height ?? DEFAULT_HEIGHT}px`;
        const drawn = { autosize: layout.width === undefined, ...themed(structuredClone(layout)) };
        await library.react(this.node, structuredClone(data), drawn, {
          responsive: true,
          displaylogo: false,
          ...config,
        });
        this.#plotly = library;
      }

      onResize() {
        if (this.isVisible) this.#plotly?.Plots.resize(this.node);
      }

      onAfterShow() {
        this.#plotly?.Plots.resize(this.node);
      }

      dispose() {
        if (!this.isDisposed) {
          this.#stopFollowing();
          this.#plotly?.purge(this.node);
        }
        super.dispose();
      }
    }

    return {
      id: "lory-plotly:factory",
      dataType: "json",
      rank: 0,
      rendererFactory: { safe: true, mimeTypes: [MIME], defaultRank: 0, createRenderer: () => new Figure() },
    };
  }

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB["lory-plotly"] = {
    init(scope) {
      sharedModules = scope;
    },
    async get(name) {
      if (name !== "./mimeExtension") throw new Error(`lory-plotly has no module ${name}`);
      const extension = await mimeExtension();
      return () => ({ __esModule: true, default: extension });
    },
  };
})();
