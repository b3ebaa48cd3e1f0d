// The page samples chunks on the processor, in WebAssembly.
import { runCases } from './run_cases.mjs';

runCases('cpu');
