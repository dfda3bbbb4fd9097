import { TERRARIUM } from '../../e2e/support/terrarium.ts';

/** How a measurement calls terrarium: the executable that was built, or what TERRARIUM_COMMAND says, its words separated by spaces. */
export const COMMAND = process.env['TERRARIUM_COMMAND']?.split(' ') ?? [TERRARIUM];
