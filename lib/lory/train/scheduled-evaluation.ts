import { evaluationValues, isEvaluationStep, type Evaluator } from "./evaluation";
import { appended } from "./row-log";
import type { RunConfig } from "./run-config";
import type { Session } from "./session";
import type { ScheduledEvaluation } from "./training-surroundings";

/** A run's evaluations, recorded where its session records; a model that is better than all before is saved. */
export function scheduledEvaluation(
  config: RunConfig,
  evaluator: Evaluator,
  { evaluations, evaluationLog, events, writer }: Session,
): ScheduledEvaluation {
  return {
    prepare: ({ model, params }) => evaluator.prepare(params, model),
    isDue: (steps) => isEvaluationStep(config, steps) && (evaluations.at(-1)?.step ?? 0) < steps,
    run: async ({ model, params }, state, steps, signal) => {
      const lowest = Math.min(...evaluations.map(({ lossNats }) => lossNats));
      const found = await evaluator.evaluate(params, model, steps, signal);
      if (found === undefined) return;
      evaluations.push(found);
      await appended(evaluationLog!, found);
      if (events) await appended(events, [["evaluation", evaluationValues(found)]]);
      if (writer.keepsBest && found.lossNats < lowest) await writer.begin(state, steps);
    },
  };
}
