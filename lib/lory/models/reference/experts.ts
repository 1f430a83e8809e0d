import type { RoutingMode } from "../../moe";
import type { ModelConfig } from "../config";
import type { Row } from "./arithmetic";
import { documentPoolLayer } from "./document-pool";
import { expertChoiceLayer } from "./expert-choice";
import type { ReferenceOptions } from "./forward";
import { mergedLayer } from "./merged";
import { remoeLayer } from "./remoe";
import { segmentAndTokenLayer } from "./segment-and-token";
import { tokenChoiceLayer } from "./token-choice";

/** What a layer of experts reads beside its input. */
export interface LayerContext {
  /** A parameter of the layer. */
  readonly of: (part: string) => Float64Array;
  readonly config: ModelConfig;
  readonly options: ReferenceOptions;
  /** What `make` gives, or gave where the decisions are those of an earlier pass. */
  readonly decide: <T>(name: string, make: () => T) => T;
}

export interface ExpertLayerOutput {
  readonly y_BLD: Row[][];
  readonly weights_BNE: Row[][];
  readonly losses: Readonly<Record<string, number>>;
}

type Layer = (h_BLD: readonly (readonly Row[])[], context: LayerContext) => ExpertLayerOutput;

const LAYERS = {
  causal_segment: mergedLayer,
  running_mean: mergedLayer,
  prefix: mergedLayer,
  own_segment: mergedLayer,
  whole_sequence: mergedLayer,
  token_choice: tokenChoiceLayer,
  expert_choice: expertChoiceLayer,
  remoe: remoeLayer,
  segment_and_token: segmentAndTokenLayer,
  document_pool: documentPoolLayer,
} satisfies Record<RoutingMode, Layer>;

/** A layer of experts on the normed input of all rows. */
export const expertLayer: Layer = (h_BLD, context) => LAYERS[context.config.routingMode](h_BLD, context);
