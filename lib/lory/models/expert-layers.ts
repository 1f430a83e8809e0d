import type { ModelConfig } from "./presets";

/** Whether a layer, counted from 0, has experts; the others have one FFN. */
export function hasExperts(
  { numExperts, expertLayerStep, denseLayers }: Pick<ModelConfig, "numExperts" | "expertLayerStep" | "denseLayers">,
  layer: number,
): boolean {
  return numExperts > 0 && (layer + 1) % expertLayerStep === 0 && !denseLayers.includes(layer);
}

/** The layers with experts, counted from 0, in order. */
export function expertLayers(config: ModelConfig): number[] {
  return Array.from({ length: config.numLayers }, (_, layer) => layer).filter((layer) => hasExperts(config, layer));
}
