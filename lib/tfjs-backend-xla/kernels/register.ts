import * as tf from "@tensorflow/tfjs-core";
import type { XlaBackend } from "../backend";
import type { Value } from "../stablehlo";
import { CallSite } from "../trace/call-site";
import { currentPrecision } from "../precision";
import { CONTRACTION } from "./contraction";
import { DATA_SHAPED, HOST_KERNELS } from "./host";
import { KERNELS, type Kernel } from "./index";
import "@tensorflow/tfjs-backend-cpu";

type TensorInfos = tf.NamedTensorInfoMap;

/** Registers every kernel for the backend of the given name. */
export function registerKernels(backendName: string): void {
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    tf.registerKernel({ kernelName, backendName, kernelFunc: recorded(kernelName, kernel) });
  }
  tf.registerKernel({ kernelName: "Identity", backendName, kernelFunc: shared });
  for (const kernelName of Object.keys(HOST_KERNELS)) {
    const { kernelFunc } = tf.getKernel(kernelName, "cpu");
    tf.registerKernel({ kernelName, backendName, kernelFunc: forwarded(kernelName, kernelFunc) });
  }
}

/** The same data under another tensor: nothing is recorded, and nothing held. */
const shared: tf.KernelFunc = ({ inputs, backend }) => (backend as XlaBackend).share(inputs.x!);

/** Whether the policy in force rounds what the kernel reads, as the host's kernels do not. */
const isRounded = (name: string): boolean => name in CONTRACTION && currentPrecision() === "bf16";

/** Records a kernel's values; the tensors it makes are computed when they are read. */
function recorded(name: string, kernel: Kernel): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    const xla = backend as XlaBackend;
    if (xla.trace) xla.trace.lastKernel = name;
    if (touchesStrings(inputs, attrs))
      return forwarded(name, tf.getKernel(name, "cpu").kernelFunc)({ inputs, attrs, backend });
    const values: Record<string, Value> = {};
    for (const [key, info] of Object.entries(inputs)) if (info) values[key] = xla.valueFor(info);
    const result = kernel(values, attrs ?? {}, xla.device);
    const onHost = isRounded(name) ? undefined : tf.getKernel(name, "cpu")?.kernelFunc;
    const results: readonly Value[] = Array.isArray(result) ? (result as Value[]) : [result as Value];
    if (onHost && xla.staysOnHost(given(inputs), results)) return forwarded(name, onHost)({ inputs, attrs, backend });
    return Array.isArray(result)
      ? (result as Value[]).map((value) => xla.tensorInfo(value))
      : xla.tensorInfo(result as Value);
  };
}

const touchesStrings = (inputs: TensorInfos, attrs: tf.NamedAttrMap | undefined): boolean =>
  attrs?.dtype === "string" || Object.values(inputs).some((info) => info?.dtype === "string");

/** Runs a kernel on copies of its inputs in tfjs's CPU backend, and takes what it returns. */
function forwarded(name: string, kernel: tf.KernelFunc): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    const xla = backend as XlaBackend;
    if (xla.trace) throw refusal(name, xla.trace.name);
    const cpu = tf.findBackend("cpu");
    const copies: tf.TensorInfo[] = [];
    const copy = ({ dataId, shape, dtype }: tf.TensorInfo): tf.TensorInfo => {
      const rank = shape.length; // some of tfjs's kernels take it that they are given tensors
      const made = { dataId: cpu.write(xla.readSync(dataId), shape, dtype), shape, dtype, rank };
      copies.push(made);
      return made;
    };
    const returned = kernel({ inputs: mapInputs(inputs, copy), attrs: attrs ?? {}, backend: cpu });
    const results = Array.isArray(returned) ? returned : [returned];
    const taken = results.map(({ dataId, shape, dtype }) => ({
      dataId: xla.write(cpu.readSync(dataId), shape, dtype),
      shape,
      dtype,
    }));
    for (const info of [...copies, ...results]) cpu.disposeData(info.dataId);
    return Array.isArray(returned) ? taken : taken[0];
  };
}

function refusal(kernel: string, traced: string): Error {
  const why = DATA_SHAPED.has(kernel) ? ", since the shape of what it returns depends on data" : "";
  return new Error(
    `${kernel} (at ${new CallSite().place()}) runs on the host${why}: it cannot be part of a compiled function (${traced}); compute it outside and pass the result in`,
  );
}

/** The tensors among the inputs. */
const given = (inputs: TensorInfos): tf.TensorInfo[] =>
  Object.values(inputs)
    .flat()
    .filter((info) => info !== undefined);

/** The inputs with each tensor replaced. As tfjs passes them: an object or an array of tensors, of lists of tensors, and of nothing. */
function mapInputs(inputs: TensorInfos, replace: (info: tf.TensorInfo) => tf.TensorInfo): TensorInfos {
  const each = (input: tf.TensorInfo | tf.TensorInfo[] | undefined) => {
    if (!input) return input;
    return Array.isArray(input) ? input.map(replace) : replace(input);
  };
  const replaced = Array.isArray(inputs)
    ? inputs.map(each)
    : Object.fromEntries(Object.entries(inputs).map(([key, input]) => [key, each(input)]));
  return replaced as TensorInfos;
}
