export { projectFolder, resultsFolder } from "./project";
export { type Report, writeReport } from "./report";
