import * as tf from "@tensorflow/tfjs-core";

const registered = (): tf.Variable[] => Object.values(tf.engine().state.registeredVariables);

/** The variables as they were, so that a function that is only traced leaves them so. */
export class VariableSnapshot {
  /** Each variable's data at the time. */
  readonly dataIds: ReadonlyMap<tf.Variable, object>;

  constructor(private readonly backend: tf.KernelBackend) {
    this.dataIds = new Map(registered().map((variable) => [variable, variable.dataId]));
    for (const dataId of this.dataIds.values()) backend.incRef(dataId); // an assignment must not free the data
  }

  /** Variables that have been assigned to since. */
  assigned(): tf.Variable[] {
    return [...this.dataIds].flatMap(([variable, dataId]) => (variable.dataId === dataId ? [] : [variable]));
  }

  /** Variables that have been created since. */
  created(): tf.Variable[] {
    return registered().filter((variable) => !this.dataIds.has(variable));
  }

  /** Variables that have been disposed of since. */
  disposed(): tf.Variable[] {
    return [...this.dataIds.keys()].filter((variable) => variable.isDisposed);
  }

  /** Makes the variables what they were. */
  restore(): void {
    for (const variable of this.created()) variable.dispose();
    for (const [variable, dataId] of this.dataIds) {
      if (variable.isDisposed) revive(variable, dataId);
      else if (variable.dataId !== dataId) reassign(variable, dataId);
    }
  }

  /** Lets go of the data. To be called once. */
  release(): void {
    for (const dataId of this.dataIds.values()) this.backend.disposeData(dataId);
  }
}

function revive(variable: tf.Variable, dataId: object): void {
  Object.assign(variable, { isDisposedInternal: false, dataId });
  tf.engine().state.registeredVariables[variable.name] = variable;
  countTensor(variable);
}

/** Points a variable back at the data it had before it was assigned to. */
function reassign(variable: tf.Variable, dataId: object): void {
  tf.engine().disposeTensor(variable);
  variable.dataId = dataId;
  countTensor(variable);
}

function countTensor(variable: tf.Variable): void {
  const backend = null as unknown as tf.KernelBackend; // as Variable.assign does: the data's own backend
  tf.engine().incRef(variable, backend);
}
