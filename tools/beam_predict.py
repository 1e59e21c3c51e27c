"""`mtdnn beam_predict` without an installation."""

from mtdnn_tf.commands.using.beam_predict import COMMAND

if __name__ == "__main__":
    COMMAND.run()
