"""Meta-training, offline: pictures to cached views, views to an encoder and a learner.

Three steps, each resumable: ``views`` draws and degrades pictures and keeps what the frozen trunk
of the network makes of them; ``encoder_stage`` trains what is above the trunk, over batches of
small tasks; ``learner_stage`` meta-trains the projection and the learner over whole episodes of
the embeddings, K = 0 to 20.
"""
