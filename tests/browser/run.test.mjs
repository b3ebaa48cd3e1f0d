// The page samples chunks on the backend that it chooses itself.
import { runCases } from './run_cases.mjs';

runCases();
