"""`mtdnn beam_score` without an installation."""

from mtdnn_tf.commands.making.beam_score import COMMAND

if __name__ == "__main__":
    COMMAND.run()
