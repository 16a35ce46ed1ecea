-- Whose turn it is among employers is kept by `work`; among an employer's pools, by `evaluations_of_employer`.
DROP INDEX evaluations_in_turn;
