import { describe, expect, it } from "vitest";
import { isEnglishScript } from "./clean";

describe("isEnglishScript", () => {
  it("takes English text with a name or a sign from elsewhere", () => {
    expect(
      isEnglishScript(
        "The café opened on a Tuesday, as every tavern in the whole of the old town by the harbour had always done.",
      ),
    ).toBe(true);
    expect(
      isEnglishScript(
        "const π = 3.14159; // the ratio of a circle's circumference to its diameter, as everyone learns",
      ),
    ).toBe(true);
    expect(isEnglishScript("12 345")).toBe(true);
  });

  it("drops other scripts and languages with many accents", () => {
    expect(isEnglishScript("本契約は、著作物の利用を許諾するものである。")).toBe(false);
    expect(
      isEnglishScript(
        "Le présent contrat est une licence de logiciel libre dont l'élaboration a été décidée à la suite d'un débat engagé",
      ),
    ).toBe(false);
  });
});
