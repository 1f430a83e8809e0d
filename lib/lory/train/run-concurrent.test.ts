import fs from "node:fs/promises";
import path from "node:path";
import { expect } from "vitest";
import { openRun, type Run } from "./run";
import { expectSame } from "./testing/same-run";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

it("trainings that take turns in one process have the numbers of trainings alone", async ({
  config,
  options,
  whole,
}) => {
  const configs = [config, { ...config, seed: 8, evaluation: { everyTokens: 48, windows: 2 } }];
  const open = (folder: string): Promise<Run[]> =>
    Promise.all(
      configs.map((each) =>
        openRun(each, { runsDir: path.join(options.runsDir!, folder), checkpointEvery: { steps: 2 } }),
      ),
    );
  const [, alone] = await open("alone");
  await trainUntil(alone);
  const together = await open("together");
  const trainings = together.map((run) => run.train());
  for (let going = trainings.length; going > 0;) {
    const steps = await Promise.all(trainings.map((training) => training.next()));
    going = steps.filter(({ done }) => !done).length;
  }
  await expectSame(together[0], whole);
  await expectSame(together[1], alone);
  expect(together[1].evaluations).toEqual(alone.evaluations);
});

it("one that diverges beside another leaves that one alone", async ({ config, options, whole }) => {
  const diverging = { ...config, optimizer: { learningRate: 1e20, warmupFraction: 0 } };
  const [run, other] = [await openRun(config, options), await openRun(diverging, options)];
  const [own, failed] = await Promise.allSettled([trainUntil(run), trainUntil(other)]);
  expect([own.status, failed.status]).toEqual(["fulfilled", "rejected"]);
  await expectSame(run, whole);
});

it("a training that drops experts at random drops the same ones after it was stopped", async ({ config, options }) => {
  const model = { ...config.model, routingMode: "whole_sequence", expertDropout: 0.4 } as const;
  const unbroken = await openRun({ ...config, model }, { runsDir: path.join(options.runsDir!, "unbroken") });
  await trainUntil(unbroken);
  for (const step of [3, 8]) await trainUntil(await openRun({ ...config, model }, options), step);
  const run = await openRun({ ...config, model }, options);
  await trainUntil(run);
  await expectSame(run, unbroken);
});

it("says whether its programs were to give the same bits each time", async ({ config, options, whole }) => {
  const run = await openRun({ ...config, deterministic: true }, options);
  await trainUntil(run);
  const recorded = async ({ dir }: Run): Promise<unknown> =>
    (JSON.parse(await fs.readFile(path.join(dir, "env.json"), "utf8")) as { sessions: object[] }).sessions[0];
  expect(await recorded(run)).toMatchObject({ deterministic: true });
  expect(await recorded(whole)).toMatchObject({ deterministic: false });
  // On a CPU programs are so anyway.
  await expectSame(run, whole);
});
